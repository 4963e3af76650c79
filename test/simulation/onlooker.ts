import { LockkeeperError } from '../../src/client/errors.js'
import type { Keeper } from '../../src/client/keeper.js'
import type { ChangeSeen, StateSeen } from '../../src/client/watch.js'
import type { History } from './history.js'
import type { Ledger } from './ledger.js'
import type { Process } from './process.js'

export interface OnlookerParts {
  readonly process: Process
  readonly name: string
  readonly ledger: Ledger
  readonly history: History
  /** Undefined if there is none now. */
  readonly connected: () => Promise<Keeper | undefined>
  /** No node that its keeper knows of could be used. */
  readonly onNotConnected: () => void
  /** Something has been seen. */
  readonly onSeen: (kind: 'change' | 'state' | 'gap') => void
}

/** What may end a watch when things go wrong around it; the last as long as not all members know what a watch is. */
const EXPECTED: ReadonlySet<string> = new Set(['NOT_CONNECTED', 'CLOSED', 'UNSUPPORTED'])

const AGAIN_MS = 100

/**
 * Watches one name as a program would, by its keeper, and goes on where it was whenever it has to begin anew. What it sees is
 * compared with the log: every change of the name, in order, none missed unless it is said.
 */
export class Onlooker {
  readonly #parts: OnlookerParts
  /** All up to here has been seen. */
  #revision: number | undefined
  #ending = false

  constructor(parts: OnlookerParts) {
    this.#parts = parts
    void this.#observe()
  }

  /** It has seen all that there is to be seen. */
  get isUpToDate(): boolean {
    return (
      this.#revision !== undefined &&
      this.#revision >= (this.#parts.ledger.changesOf(this.#parts.name).at(-1)?.revision ?? 0)
    )
  }

  finish(): void {
    this.#ending = true
  }

  async #observe(): Promise<void> {
    const { process, connected } = this.#parts
    while (!this.#ending) {
      const keeper = await connected()
      if (keeper !== undefined) await this.#watch(keeper)
      await new Promise<void>((resolve) => void process.clock.after(AGAIN_MS, resolve))
    }
  }

  async #watch(keeper: Keeper): Promise<void> {
    const { name, process, history, onSeen } = this.#parts
    try {
      const options = this.#revision === undefined ? {} : { afterRevision: this.#revision }
      for await (const seen of keeper.watch(name, options)) {
        history.note(process.name, `sees ${seen.kind} of ${name} at ${seen.revision}`)
        if (seen.kind === 'state') this.#checkState(seen)
        else this.#checkChange(seen)
        this.#revision = seen.revision
        onSeen(seen.kind !== 'state' ? 'change' : seen.gap ? 'gap' : 'state')
      }
    } catch (error) {
      if (!(error instanceof LockkeeperError) || !EXPECTED.has(error.code))
        return history.broken('watch: an error nobody should see', { client: process.name, error })
      history.note(process.name, `sees nothing of ${name}: ${error.code}`)
      if (error.code === 'NOT_CONNECTED') this.#parts.onNotConnected()
    }
  }

  #checkChange(seen: ChangeSeen): void {
    const next = this.#parts.ledger
      .changesOf(this.#parts.name)
      .find(({ revision }) => revision > (this.#revision ?? 0))
    if (next === undefined || next.revision !== seen.revision)
      return this.#broken('not the next one', { seen, next })
    const told = [seen.kind, seen.claim.id, seen.claim.token, seen.claim.data, seen.reason]
    const due = [next.kind, next.claim, next.token ?? 0, next.data, next.reason]
    if (told.some((it, k) => it !== due[k])) this.#broken('not what came to pass', { seen, next })
  }

  /** What states are like, who asks nodes one by one compares: see `Observer`. */
  #checkState({ gap, revision }: StateSeen): void {
    if (gap !== (this.#revision !== undefined))
      this.#broken('a gap is not told, or told where there is none', { gap })
    if (revision < (this.#revision ?? 0))
      this.#broken('a state of the past', { revision, seen: this.#revision })
  }

  #broken(what: string, details: object): void {
    const { history, process, name } = this.#parts
    history.broken(`watch: ${what}`, { client: process.name, name, ...details })
  }
}
