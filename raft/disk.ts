import { assert } from './assert.js'
import type { Write } from './io.js'
import type { Entry, HardState, LogIndex } from './types.js'

interface WriteInFlight {
  readonly id: number
  /** Once it is done, the log up to here is on disk. A later truncation lowers it. */
  lastIndex: LogIndex
  /** Tick at which it was handed out. */
  readonly since: number
}

/** What of the log is on disk, what is on its way there, and what has yet to be handed to the driver. */
export class Disk {
  #persistedIndex: LogIndex
  #handedOutIndex: LogIndex
  #truncateFrom: LogIndex | undefined
  #newestWrite = 0
  /** The newest write with a hard state in it. */
  #hardStateWrite = 0
  readonly #inFlight: WriteInFlight[] = []

  constructor(recoveredIndex: LogIndex) {
    this.#persistedIndex = recoveredIndex
    this.#handedOutIndex = recoveredIndex
  }

  /** The log up to here is on disk as it is in memory. */
  get persistedIndex(): LogIndex {
    return this.#persistedIndex
  }

  /** The log up to here has been handed out to be written. */
  get handedOutIndex(): LogIndex {
    return this.#handedOutIndex
  }

  /** Whether every hard state handed out is on disk. */
  get hardStatePersisted(): boolean {
    return this.#inFlight.length === 0 || this.#inFlight[0]!.id > this.#hardStateWrite
  }

  /**
   * The log in memory lost its entries from `from` on. Writes in flight may still bring the old ones to the disk,
   * but a place that holds the wrong entry doesn't count as persisted: their word is good only for what comes before.
   */
  truncated(from: LogIndex): void {
    if (from > this.#handedOutIndex) return
    this.#truncateFrom = Math.min(from, this.#truncateFrom ?? from)
    this.#handedOutIndex = from - 1
    this.#persistedIndex = Math.min(this.#persistedIndex, from - 1)
    for (const write of this.#inFlight) write.lastIndex = Math.min(write.lastIndex, from - 1)
  }

  /** The log was replaced, on disk as in memory, by one that is empty from here on. */
  restored(index: LogIndex): void {
    assert(this.#inFlight.length === 0, 'no write is under way while the log is replaced', {
      under_way: this.#inFlight.length,
    })
    this.#truncateFrom = undefined
    this.#handedOutIndex = index
    this.#persistedIndex = index
  }

  /** The next write, or undefined when there is nothing to write. `entries` follow `handedOutIndex`. */
  handOut(hardState: HardState | undefined, entries: readonly Entry[], now: number): Write | undefined {
    if (hardState === undefined && this.#truncateFrom === undefined && entries.length === 0) return undefined
    const write = { id: ++this.#newestWrite, hardState, truncateFrom: this.#truncateFrom, entries }
    if (hardState !== undefined) this.#hardStateWrite = write.id
    this.#truncateFrom = undefined
    this.#handedOutIndex += entries.length
    this.#inFlight.push({ id: write.id, lastIndex: this.#handedOutIndex, since: now })
    return write
  }

  /** The driver reports this write, and all before it, as done. Reporting one again is harmless. */
  written(id: number): void {
    assert(id <= this.#newestWrite, 'only a write that was handed out gets done', {
      id,
      newest: this.#newestWrite,
    })
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.id <= id) {
      this.#persistedIndex = Math.max(this.#persistedIndex, this.#inFlight.shift()!.lastIndex)
    }
  }

  /** Ticks since the oldest unfinished write was handed out; 0 when none is under way. */
  silence(now: number): number {
    return this.#inFlight.length === 0 ? 0 : now - this.#inFlight[0]!.since
  }
}
