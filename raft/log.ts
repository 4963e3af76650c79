import { assert } from './assert.js'
import { Disk } from './disk.js'
import { ConfigurationHistory } from './membership.js'
import type { Append } from './message.js'
import type { Entry, HardState, LogIndex, LogStart, Term } from './types.js'

const NONE: readonly Entry[] = Object.freeze([])
/** Index, term and checksum, by which it is found and believed: empty entries are not free. */
const ENTRY_OVERHEAD_BYTES = 64

/** What an entry takes of a disk or a message, near enough. */
export function entryBytes({ payload }: Entry): number {
  return payload.length + ENTRY_OVERHEAD_BYTES
}

/** What survived on this server's disk. */
export interface Recovered {
  readonly hardState: HardState
  readonly start: LogStart
  /** From the one after `start` on, without a hole. */
  readonly entries: readonly Entry[]
  /**
   * The machine's checkpoint has everything up to here, so it is committed, and not to be reported again. Between
   * `start` and the last entry.
   */
  readonly appliedIndex: LogIndex
}

/** The log in memory (§3.5), its commit index, and by `disk` how much of it is safe. */
export class Log {
  #start: LogStart
  readonly #entries: Entry[] = []
  /** `#bytes[i]`: of all entries so far up to the i-th held here, so that the bytes of any range are one subtraction. */
  readonly #bytes: number[] = []
  #bytesForgotten = 0
  #commitIndex: LogIndex
  #reportedIndex: LogIndex
  readonly configurations: ConfigurationHistory
  readonly disk: Disk

  constructor({ start, entries, appliedIndex }: Omit<Recovered, 'hardState'>) {
    this.#start = start
    this.configurations = new ConfigurationHistory(start)
    for (const entry of entries) this.append(entry)
    assert(appliedIndex >= start.index && appliedIndex <= this.lastIndex, 'what is applied is in the log', {
      start: start.index,
      appliedIndex,
      last: this.lastIndex,
    })
    this.#commitIndex = appliedIndex
    this.#reportedIndex = appliedIndex
    this.disk = new Disk(this.lastIndex)
  }

  /** Where this log begins; the entries up to here are forgotten. */
  get start(): LogStart {
    return this.#start
  }

  get firstIndex(): LogIndex {
    return this.#start.index + 1
  }

  get lastIndex(): LogIndex {
    return this.#start.index + this.#entries.length
  }

  get lastTerm(): Term {
    return this.#entries.length === 0 ? this.#start.term : this.#entries[this.#entries.length - 1]!.term
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex
  }

  /** Undefined where this log has no entry. */
  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.firstIndex]
  }

  /** Undefined where this log has no entry. That of the start is known, though its entry is forgotten. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#start.index ? this.#start.term : this.entryAt(index)?.term
  }

  /** How a log begins whose entries up to `index` are forgotten. */
  startAt(index: LogIndex): LogStart {
    const term = this.termAt(index)
    assert(term !== undefined, 'a log starts at an entry that it has', { index, start: this.#start.index })
    return { index, term, config: this.configurations.at(index) }
  }

  /** The entries `from`..`to`, both included; none if `to` is less than `from`. */
  slice(from: LogIndex, to: LogIndex): readonly Entry[] {
    return from > to ? NONE : this.#entries.slice(from - this.firstIndex, to - this.firstIndex + 1)
  }

  /** Bytes of the entries after `after` up to `upTo`. Infinity if some of them are forgotten: nobody knows. */
  bytesBetween(after: LogIndex, upTo: LogIndex): number {
    if (after < this.#start.index) return Number.POSITIVE_INFINITY
    return this.#bytesUpTo(upTo) - this.#bytesUpTo(after)
  }

  /** The last index of the longest run from `from` that fits into `bytesMax`; at least `from` itself. */
  runEnd(from: LogIndex, bytesMax: number): LogIndex {
    let end = from
    while (end < this.lastIndex && this.bytesBetween(from - 1, end + 1) <= bytesMax) end++
    return end
  }

  /** The last entry behind which so many bytes follow up to `index`; the start of this log if it has fewer. */
  lastBefore(index: LogIndex, bytes: number): LogIndex {
    let low = this.#start.index
    let high = index
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.bytesBetween(middle, index) >= bytes) low = middle
      else high = middle - 1
    }
    return low
  }

  /** §3.6.1: whether a log that ends so is at least as complete as this one. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /**
   * The highest index up to `index` whose term is at most `term`. Terms never decrease along a log, so two logs can
   * only agree at or below this point: the backtracking of §3.5 by terms, for either side of a refusal. Less than the
   * start of this log if the point was forgotten, wherever it was.
   */
  lastWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    if (index < this.#start.index || term < this.#start.term) return Math.min(index, this.#start.index - 1)
    let low = this.#start.index
    let high = Math.min(index, this.lastIndex)
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.termAt(middle)! <= term) low = middle
      else high = middle - 1
    }
    return low
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'the log has no hole', {
      index: entry.index,
      last: this.lastIndex,
    })
    assert(entry.term >= this.lastTerm, 'terms never decrease along the log', {
      term: entry.term,
      last: this.lastTerm,
    })
    this.#bytes.push(this.#bytesUpTo(this.lastIndex) + entryBytes(entry))
    this.#entries.push(entry)
    if (entry.config !== undefined) this.configurations.append(entry.index, entry.config)
  }

  /**
   * Takes over a leader's entries, which are contiguous and join this log (§3.5). What is already here stays: an old
   * append must not undo a newer one. From the first contradiction on, this log was wrong.
   */
  merge(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const term = this.termAt(entry.index)
      if (term === entry.term || entry.index < this.firstIndex) continue
      if (term !== undefined) this.#truncate(entry.index)
      this.append(entry)
    }
  }

  /** Whether an append has another entry than this log anywhere up to `upTo`, as far as this log remembers. */
  contradicts({ prevIndex, prevTerm, entries }: Append, upTo: LogIndex): boolean {
    if (this.#differs(prevIndex, prevTerm, upTo)) return true
    for (const { index, term } of entries) {
      if (index > upTo) return false
      if (this.#differs(index, term, upTo)) return true
    }
    return false
  }

  /** Raises the commit index; a lower one is old news. */
  commitTo(index: LogIndex): void {
    assert(index <= this.lastIndex, 'commit past the last index', { index, last: this.lastIndex })
    if (index > this.#commitIndex) this.#commitIndex = index
  }

  /** Entries committed since the last call. */
  takeCommitted(): readonly Entry[] {
    const from = this.#reportedIndex + 1
    this.#reportedIndex = this.#commitIndex
    return this.slice(from, this.#commitIndex)
  }

  /** Forgets the entries up to `index`, which are in a checkpoint. */
  compact(index: LogIndex): void {
    if (index <= this.#start.index) return
    assert(index <= this.#reportedIndex, 'only what was reported as committed is forgotten', {
      index,
      reported: this.#reportedIndex,
    })
    const start = this.startAt(index)
    this.#bytesForgotten = this.#bytesUpTo(index)
    this.#entries.splice(0, index - this.#start.index)
    this.#bytes.splice(0, index - this.#start.index)
    this.#start = start
    this.configurations.compacted(start)
  }

  /**
   * Whether a checkpoint of a peer brings news. Not if its last entry is here: what comes after that entry may be
   * acknowledged, and would be lost. If it isn't, then all that this log has from there on was wrong.
   */
  lacks({ index, term }: LogStart): boolean {
    return index > this.#commitIndex && this.termAt(index) !== term
  }

  /** A checkpoint of a peer is on this node's disk in place of its log. */
  restore(start: LogStart): void {
    this.disk.restored(start.index)
    this.#entries.length = 0
    this.#bytes.length = 0
    this.#start = start
    this.#commitIndex = start.index
    this.#reportedIndex = start.index
    this.configurations.restored(start)
  }

  #differs(index: LogIndex, term: Term, upTo: LogIndex): boolean {
    return index >= this.#start.index && index <= upTo && this.termAt(index) !== term
  }

  #truncate(from: LogIndex): void {
    assert(from > this.#commitIndex, 'what is committed is never truncated', {
      from,
      commit: this.#commitIndex,
    })
    this.#entries.length = from - this.firstIndex
    this.#bytes.length = this.#entries.length
    this.configurations.truncated(from)
    this.disk.truncated(from)
  }

  #bytesUpTo(index: LogIndex): number {
    return index < this.firstIndex ? this.#bytesForgotten : this.#bytes[index - this.firstIndex]!
  }
}
