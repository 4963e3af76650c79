import type { SessionId, Token } from './language/command.js'
import { LIMITS } from './language/limits.js'
import type { Ledger, Page } from './records/ledger.js'
import type { Bookkeeping } from './records/records.js'

/** What was done about a name by force, for whoever asks why. */
export interface Intervention {
  readonly kind: 'steal' | 'forceRelease' | 'suspend' | 'resume'
  readonly name: string
  /** Of the claim that was ended; 0: of none. */
  readonly token: Token
  /** Who did it. */
  readonly session: SessionId
  readonly note: string
  /** Cluster clock. */
  readonly at: number
}

/** The newest of them, in order. */
export class Interventions implements Bookkeeping {
  readonly kind = 'interventions'
  isRecorded = false
  isGone = false
  page: Page | undefined = undefined
  readonly #ledger: Ledger
  #all: readonly Intervention[] = []

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  get all(): readonly Intervention[] {
    return this.#all
  }

  add(intervention: Intervention): void {
    this.#ledger.touch(this)
    this.#all = [...this.#all, intervention].slice(-LIMITS.interventionsMax)
  }

  restore(all: readonly Intervention[]): void {
    this.#all = all
    this.isRecorded = true
  }
}
