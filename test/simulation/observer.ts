import { RefusedError, UnreachableError } from '../../src/client/errors.js'
import type { Connector } from '../../src/client/ports.js'
import { Change_Kind, type NameState, type WatchPart } from '../../src/protocol/lockkeeper.js'
import type { ParticipantParts } from './participant.js'

export type ObserverParts = Omit<ParticipantParts, 'checks' | 'story' | 'ttlMs' | 'holdMs'> & {
  readonly names: readonly string[]
}

/** It asks elsewhere, or again. */
const PASSING: ReadonlySet<string> = new Set(['NO_LEADER', 'STOPPING', 'BUSY', 'UNSUPPORTED'])
const WATCH_MS = 1_500
const PAUSE_MS_MAX = 100
const KINDS = {
  [Change_Kind.QUEUED]: 'queued',
  [Change_Kind.GRANTED]: 'granted',
  [Change_Kind.UPDATED]: 'updated',
  [Change_Kind.LEFT]: 'left',
} as const

/**
 * Watches one name, now at this node, now at that one, each time from where it was. All that it is told is compared with
 * what came to pass by the log: each change once, in order, none left out; and each state as it was at its revision.
 */
export class Observer {
  readonly counts = { watched: 0, states: 0 }
  readonly #parts: ObserverParts
  readonly #connector: Connector
  readonly #name: string
  /** All up to here has been told; undefined: nothing yet. */
  #told: number | undefined
  #ending = false
  #idle = false

  constructor(parts: ObserverParts) {
    this.#parts = parts
    this.#connector = parts.network.connector(parts.process)
    this.#name = parts.random.pick(parts.names)
    void this.#live()
  }

  get idle(): boolean {
    return this.#idle
  }

  finish(): void {
    this.#ending = true
  }

  async #live(): Promise<void> {
    const { random, process, ledger } = this.#parts
    while (!this.#ending || (this.#told ?? 0) < (ledger.changesOf(this.#name).at(-1)?.revision ?? 0)) {
      if (random.chance(0.05)) this.#told = undefined
      await this.#watch().catch((error: unknown) => this.#failed(error))
      await new Promise<void>((resolve) =>
        process.clock.after(random.between(0, PAUSE_MS_MAX), () => resolve()),
      )
    }
    this.#idle = true
  }

  async #watch(): Promise<void> {
    const { random, process, addresses } = this.#parts
    const aborter = new AbortController()
    const timer = process.clock.after(random.exponential(WATCH_MS), () => aborter.abort())
    const request = { name: this.#name, afterRevision: this.#told }
    try {
      for await (const part of this.#connector.watch(random.pick(addresses()), request, aborter.signal))
        this.#see(part)
    } finally {
      timer.cancel()
    }
  }

  #failed(error: unknown): void {
    if (error instanceof UnreachableError || (error instanceof RefusedError && PASSING.has(error.code)))
      return
    this.#broken('an error nobody should see', { error })
  }

  #see({ state, changes, revision }: WatchPart): void {
    if (state !== undefined) this.#compare(state, revision)
    const from = state === undefined ? this.#told! : revision
    const due = this.#parts.ledger
      .changesOf(this.#name)
      .filter((change) => change.revision > from && change.revision <= revision)
      .map((change) => `${change.revision} ${change.kind} ${change.claim} ${change.reason}`)
    const told = changes.map(
      ({ revision, kind, claim, reason }) =>
        `${revision} ${KINDS[kind as keyof typeof KINDS]} ${claim!.id} ${reason}`,
    )
    if (told.join() !== due.join())
      this.#broken('not each change, once and in order', { from, revision, told, due })
    this.counts.watched += changes.length
    this.#told = revision
  }

  /** The changes up to there come to this state. */
  #compare(state: NameState, revision: number): void {
    this.counts.states++
    const present = new Map<number, string>()
    for (const change of this.#parts.ledger.changesOf(this.#name)) {
      if (change.revision > revision) break
      if (change.kind === 'left') present.delete(change.claim)
      else present.set(change.claim, `${change.claim} ${change.token ?? 0} ${change.data}`)
    }
    const shown = [...state.holders, ...state.members, ...state.waiters]
    const told = shown.map(({ id, token, data }) => `${id} ${token} ${data}`)
    const due = [...present.values()]
    // Of the time before changes were counted, nothing is known here.
    if (revision > 0 && told.sort().join() !== due.sort().join() && this.#isKnown(shown))
      this.#broken('a state that never was', { revision, told, due })
  }

  #isKnown(shown: readonly { readonly id: number }[]): boolean {
    const known = new Set(this.#parts.ledger.changesOf(this.#name).map(({ claim }) => claim))
    return shown.every(({ id }) => known.has(id))
  }

  #broken(what: string, facts: Record<string, unknown>): void {
    const { history, process } = this.#parts
    history.broken(`watch: ${what}`, { observer: process.name, name: this.#name, ...facts })
  }
}
