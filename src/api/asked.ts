import type { Attachments } from '../attachments/attachments.js'
import type { Verdict } from '../machine/language/command.js'
import type { Waiter } from '../proposals/proposals.js'

/** What a command came to in the end. */
export type Final = Exclude<Verdict, { kind: 'queued' }>

/**
 * One command on its way to what it comes to in the end: through the log, and through the queue if it has to wait.
 * `done` is called once, unless the asker has left before.
 */
export class Asked implements Waiter {
  readonly #attachments: Attachments
  readonly #done: (final: Final) => void
  #stopListening: (() => void) | undefined
  #gone = false
  /** The log has it: what follows is a matter of the queue. */
  queued = false

  constructor(attachments: Attachments, done: (final: Final) => void) {
    this.#attachments = attachments
    this.#done = done
  }

  get gone(): boolean {
    return this.#gone
  }

  settle(verdict: Verdict): void {
    if (this.#gone) return
    if (verdict.kind !== 'queued') return this.#done(verdict)
    this.queued = true
    this.#stopListening = this.#attachments.onDecided(verdict.claim, this.#done)
  }

  /** The asker has left. A claim keeps its place: the same request, repeated anywhere, finds it. */
  leave(): void {
    this.#gone = true
    this.#stopListening?.()
  }
}
