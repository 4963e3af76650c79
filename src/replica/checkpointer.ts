import type { LogIndex, LogStart } from '../../raft/index.js'
import type { Machine } from '../machine/machine.js'
import type { Clock, RecordChange, RecordStore } from './ports.js'
import { encodeChange } from './record-codec.js'

/** Of entries applied between the beginnings of two checkpoints. The log is kept back to the last but one of them. */
const INTERVAL_BYTES = 8 * 1024 * 1024
/** Records encoded at a time: a millisecond or two, and then the others' turn. */
const SLICE_RECORDS = 1_000
const SLICE_PAUSE_MS = 1

interface UnderWay {
  readonly start: LogStart
  readonly changes: RecordChange[]
  isWhole: boolean
}

export interface CheckpointerHandlers {
  /** Everything up to `start` is in a durable checkpoint. */
  readonly onDone: (start: LogStart) => void
  readonly onFailed: (error: unknown) => void
}

/**
 * Writes down what has changed in the machine while the machine goes on (design §6): a slice in each turn, then all of
 * it as one atomic change of the disk. The cost is that of what changed, not of what exists.
 */
export class Checkpointer {
  readonly #records: RecordStore
  readonly #clock: Clock
  readonly #handlers: CheckpointerHandlers
  #bytes = 0
  #underWay: UnderWay | undefined
  #writing = false
  #persistedIndex: LogIndex = 0
  #stopped = false

  constructor(records: RecordStore, clock: Clock, handlers: CheckpointerHandlers) {
    this.#records = records
    this.#clock = clock
    this.#handlers = handlers
  }

  get isIdle(): boolean {
    return this.#underWay === undefined
  }

  /** An entry of so many bytes has been applied to `machine`, whose place in the log is now `start`. */
  applied(machine: Machine, start: LogStart, bytes: number): void {
    this.#bytes += bytes
    if (this.#underWay !== undefined || this.#bytes < INTERVAL_BYTES || this.#stopped) return
    this.#bytes = 0
    this.#underWay = { start, changes: [encodeChange(machine.beginCheckpoint())], isWhole: false }
    this.#sliceLater(machine)
  }

  /** This node's own log is durable up to here: a checkpoint never runs ahead of it. */
  persisted(index: LogIndex): void {
    this.#persistedIndex = index
    this.#writeIfReady()
  }

  stop(): void {
    this.#stopped = true
  }

  #sliceLater(machine: Machine): void {
    this.#clock.after(SLICE_PAUSE_MS, () => {
      if (!this.#stopped && this.#underWay !== undefined) this.#slice(machine, this.#underWay)
    })
  }

  #slice(machine: Machine, underWay: UnderWay): void {
    const slice = machine.ledger.take(SLICE_RECORDS)
    for (const change of slice) underWay.changes.push(encodeChange(change))
    if (slice.length > 0) return this.#sliceLater(machine)
    underWay.isWhole = true
    this.#writeIfReady()
  }

  #writeIfReady(): void {
    const underWay = this.#underWay
    if (underWay === undefined || !underWay.isWhole || this.#writing) return
    if (this.#persistedIndex < underWay.start.index) return
    this.#writing = true
    this.#records.write(underWay.start, underWay.changes).then(
      () => this.#written(underWay.start),
      (error: unknown) => {
        if (!this.#stopped) this.#handlers.onFailed(error)
      },
    )
  }

  #written(start: LogStart): void {
    this.#underWay = undefined
    this.#writing = false
    if (!this.#stopped) this.#handlers.onDone(start)
  }
}
