import type { LogIndex, LogStart } from '../../raft/index.js'
import type { Machine } from '../machine/machine.js'
import type { Clock, NodeDisk, RecordChange } from './ports.js'
import { encodeChange } from './record-codec.js'

/** Records encoded at a time: a millisecond or two, and then the others' turn. */
const SLICE_RECORDS = 1_000
const SLICE_PAUSE_MS = 1
/** Beyond so many checkpoints the log is cut, although it is needed behind a snapshot that is still being sent. */
const KEPT_MAX = 16

interface UnderWay {
  readonly machine: Machine
  readonly start: LogStart
  readonly changes: RecordChange[]
  isWhole: boolean
}

export interface CheckpointerHandlers {
  /** A follower will need the log from after this entry on. */
  readonly neededFrom: () => LogIndex
  /** The log on disk begins after this index now. */
  readonly onForgotten: (index: LogIndex) => void
  readonly onFailed: (error: unknown) => void
}

/**
 * Writes down what has changed in the machine while the machine goes on (design §6): a slice at a time, then all of it as
 * one atomic change of the disk. The cost is that of what changed, not of what exists. The log before the checkpoint
 * before it is forgotten then: what followers that lag a little may need stays, and what those need who are being sent an
 * older checkpoint.
 */
export class Checkpointer {
  readonly #disk: NodeDisk
  readonly #intervalBytes: number
  readonly #clock: Clock
  readonly #handlers: CheckpointerHandlers
  #bytes = 0
  #underWay: UnderWay | undefined
  #writing = false
  #paused = false
  /** The checkpoints behind which the log is still there; the newest is the last. */
  #kept: readonly LogStart[]
  #settled: Promise<void> = Promise.resolve()
  #persistedIndex: LogIndex = 0
  #stopped = false

  /** `intervalBytes`: of entries applied between the beginnings of two checkpoints. */
  constructor(disk: NodeDisk, intervalBytes: number, clock: Clock, handlers: CheckpointerHandlers) {
    this.#disk = disk
    this.#intervalBytes = intervalBytes
    this.#clock = clock
    this.#handlers = handlers
    const newest = disk.records.start()
    this.#kept = newest === undefined ? [] : [newest]
  }

  /** An entry of so many bytes has been applied to `machine`, whose place in the log `start` tells. */
  applied(machine: Machine, bytes: number, start: () => LogStart): void {
    this.#bytes += bytes
    if (this.#underWay !== undefined || this.#bytes < this.#intervalBytes || this.#stopped) return
    this.#bytes = 0
    this.#underWay = {
      machine,
      start: start(),
      changes: [encodeChange(machine.beginCheckpoint())],
      isWhole: false,
    }
    this.#sliceLater(machine)
  }

  /** This node's own log is durable up to here: a checkpoint never runs ahead of it. */
  persisted(index: LogIndex): void {
    this.#persistedIndex = index
    this.#writeIfReady()
  }

  /** Nothing is written until `resume`; resolves when what was being written is. */
  pause(): Promise<void> {
    this.#paused = true
    return this.#settled
  }

  /** With `restored`: a peer's checkpoint is in place of the newest, and another machine in place of this one. */
  resume(restored: LogStart | undefined): void {
    this.#paused = false
    if (restored !== undefined) {
      this.#underWay = undefined
      this.#kept = [restored]
      this.#bytes = 0
    }
    this.#writeIfReady()
  }

  /** Nothing new is begun; resolves when what was being written is. */
  stop(): Promise<void> {
    this.#stopped = true
    return this.#settled
  }

  #sliceLater(machine: Machine): void {
    this.#clock.after(SLICE_PAUSE_MS, () => {
      const underWay = this.#underWay
      if (!this.#stopped && underWay?.machine === machine) this.#slice(underWay)
    })
  }

  #slice(underWay: UnderWay): void {
    const { machine } = underWay
    const slice = machine.ledger.take(SLICE_RECORDS)
    for (const change of slice) underWay.changes.push(encodeChange(change))
    if (slice.length > 0) return this.#sliceLater(machine)
    underWay.isWhole = true
    this.#writeIfReady()
  }

  #writeIfReady(): void {
    const underWay = this.#underWay
    if (underWay === undefined || !underWay.isWhole || this.#writing || this.#paused || this.#stopped) return
    if (this.#persistedIndex < underWay.start.index) return
    this.#writing = true
    this.#settled = this.#write(underWay).catch((error: unknown) => {
      if (!this.#stopped) this.#handlers.onFailed(error)
    })
  }

  async #write({ start, changes }: UnderWay): Promise<void> {
    await this.#disk.records.write(start, changes)
    this.#kept = [...this.#kept, start]
    if (!this.#stopped) await this.#forget()
    this.#writing = false
    this.#underWay = undefined
  }
  async #forget(): Promise<void> {
    const neededFrom = this.#kept.length > KEPT_MAX ? Infinity : this.#handlers.neededFrom()
    const place = this.#kept.filter(({ index }, k) => k < this.#kept.length - 1 && index <= neededFrom).at(-1)
    if (place === undefined) return
    this.#kept = this.#kept.filter(({ index }) => index >= place.index)
    await this.#disk.log.compact(place)
    this.#handlers.onForgotten(place.index)
  }
}
