import type { Attachments } from '../attachments/attachments.js'
import type { ClaimId, Verdict } from '../machine/language/command.js'
import type { Waiter } from '../proposals/proposals.js'

/** What a command came to in the end. */
export type Final = Exclude<Verdict, { kind: 'queued' }>

/** The origin of a request. */
export interface Asker {
  /** It has left. A claim keeps its place: the same request, repeated anywhere, finds it. */
  readonly isGone: boolean
  /** The log has the request: what follows is a matter of the queue. */
  onQueued(asked: Asked, claim: ClaimId): void
  /** Called once, unless the asker is gone by then. */
  onFinal(asked: Asked, final: Final): void
}

/** One command on its way to what it comes to in the end: through the log, and through the queue if it has to wait. */
export class Asked implements Waiter {
  readonly #attachments: Attachments
  readonly #asker: Asker
  #stopListening: (() => void) | undefined
  /** The one that waits in a queue. */
  claim: ClaimId | undefined

  /** @param slot and `seq` are those of the request, for the asker */
  constructor(
    attachments: Attachments,
    asker: Asker,
    readonly slot = 0,
    readonly seq = 0,
  ) {
    this.#attachments = attachments
    this.#asker = asker
  }

  get gone(): boolean {
    return this.#asker.isGone
  }

  settle(verdict: Verdict): void {
    if (this.gone) return
    if (verdict.kind !== 'queued') return this.#asker.onFinal(this, verdict)
    this.claim = verdict.claim
    this.#stopListening = this.#attachments.onDecided(verdict.claim, (outcome) => {
      if (!this.gone) this.#asker.onFinal(this, outcome)
    })
    this.#asker.onQueued(this, verdict.claim)
  }

  /** Lets go of what it waits for in the queue. */
  leave(): void {
    this.#stopListening?.()
  }
}
