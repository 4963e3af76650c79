import type { Entry, LogIndex, LogStart, NodeId, Term } from '../../raft/index.js'
import type { Change } from '../machine/changes.js'
import type { Command, MachineEvent, Verdict } from '../machine/language/command.js'
import type { Machine } from '../machine/machine.js'
import type { DivergenceDetector } from './divergence.js'
import { commandsOf, decodePayload } from './payload.js'
import type { Chunk, Clock } from './ports.js'

/** How much is applied in one turn of the event loop: no further entry is begun once either is spent. */
export interface ApplyBudget {
  readonly ms: number
  /** Also bounds what follows in the same turn, such as the replies to clients. An entry costs one in any case. */
  readonly commands: number
}

/** Ten milliseconds, so that a node that has much to catch up on still acknowledges what comes, and hears its leader. */
export const APPLY_BUDGET: ApplyBudget = { ms: 10, commands: 2_048 }

/** What one entry did: the verdicts of each chunk's commands, and the events in the order they came to pass. */
export interface Applied {
  readonly index: number
  readonly chunks: readonly { readonly chunk: Chunk; readonly verdicts: readonly Verdict[] }[]
  readonly events: readonly MachineEvent[]
  /** Of names, for those who watch. */
  readonly changes: readonly Change[]
}

export interface ApplierParts {
  /** As of `index`. */
  readonly machine: Machine
  readonly index: LogIndex
  readonly clock: Clock
  readonly budget: ApplyBudget
  readonly divergence: DivergenceDetector
}

export interface ApplierHandlers {
  /** The machine has performed the commands of an entry. */
  readonly onApplied: (applied: Applied) => void
  /** A command of this node was not performed: see `commandsOf`. */
  readonly onForbidden: (origin: NodeId, op: Command['op']) => void
  /** This entry is applied, whatever was in it. */
  readonly onPassed: (entry: Entry, isFirstOfTerm: boolean) => void
}

/** Entries that have been applied are let go of when there are this many. */
const APPLIED_MAX = 4_096

/**
 * Applies what is committed to the machine, in the order of the log, at the pace of the event loop: what one turn has no time
 * for waits. What waits is in Raft's log as well, so it takes no memory of its own.
 */
export class Applier {
  readonly #clock: Clock
  readonly #budget: ApplyBudget
  readonly #divergence: DivergenceDetector
  readonly #handlers: ApplierHandlers
  #machine: Machine
  #index: LogIndex
  #term: Term = 0
  #atMs: number
  /** Committed; those from `#next` on are to be applied. */
  #entries: Entry[] = []
  #next = 0

  constructor({ machine, index, clock, budget, divergence }: ApplierParts, handlers: ApplierHandlers) {
    this.#machine = machine
    this.#index = index
    this.#clock = clock
    this.#budget = budget
    this.#divergence = divergence
    this.#handlers = handlers
    this.#atMs = clock.nowMs()
  }

  /** As of `index`. */
  get machine(): Machine {
    return this.#machine
  }

  /** Of the last entry that was applied. */
  get index(): LogIndex {
    return this.#index
  }

  /** Its term; 0 if this process has applied none yet. */
  get term(): Term {
    return this.#term
  }

  /** When the machine's clock was last set, on this node's clock. */
  get atMs(): number {
    return this.#atMs
  }

  /** Something committed waits to be applied. */
  get isBehind(): boolean {
    return this.#next < this.#entries.length
  }

  /** These come next. */
  committed(entries: readonly Entry[]): void {
    for (const entry of entries) this.#entries.push(entry)
  }

  /** As much of what waits as one turn has time for, and at least one entry. */
  apply(): void {
    const endMs = this.#clock.nowMs() + this.#budget.ms
    let commands = this.#budget.commands
    while (this.isBehind && commands > 0) {
      commands -= 1 + this.#pass(this.#entries[this.#next++]!)
      if (this.#clock.nowMs() >= endMs) break
    }
    if (this.isBehind && this.#next < APPLIED_MAX) return
    this.#entries.splice(0, this.#next)
    this.#next = 0
  }

  /** The machine of a peer's snapshot is in place of this one; it has applied all that was waiting, and more. */
  restored(machine: Machine, { index, term }: LogStart): void {
    this.#machine = machine
    this.#index = index
    this.#term = term
    this.#atMs = this.#clock.nowMs()
    this.#entries = []
    this.#next = 0
    this.#divergence.restored()
  }

  /** Returns the number of commands in it. */
  #pass(entry: Entry): number {
    const isFirstOfTerm = entry.term !== this.#term
    this.#index = entry.index
    this.#term = entry.term
    const isForMachine = entry.payload.length > 0 && entry.config === undefined
    const count = isForMachine ? this.#perform(entry) : 0
    this.#handlers.onPassed(entry, isFirstOfTerm)
    return count
  }

  #perform({ index, payload }: Entry): number {
    const { at, chunks } = decodePayload(payload)
    const before = this.#machine.at
    const commands = commandsOf(chunks, this.#machine.level, ({ origin }, op) =>
      this.#handlers.onForbidden(origin, op),
    )
    const { verdicts, events, changes } = this.#machine.apply({ at, commands })
    this.#divergence.applied(index, before, at, this.#machine.digest)
    this.#atMs = this.#clock.nowMs()
    let start = 0
    const settled = chunks.map((chunk) => {
      const own = verdicts.slice(start, start + chunk.count)
      start += chunk.count
      return { chunk, verdicts: own }
    })
    this.#handlers.onApplied({ index, chunks: settled, events, changes })
    return verdicts.length
  }
}
