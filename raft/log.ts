import { assert } from './assert.js'
import { Disk } from './disk.js'
import type { Entry, LogIndex, Term } from './types.js'

const NONE: readonly Entry[] = Object.freeze([])
/** An entry's index and term count too, or empty entries would be free. */
const ENTRY_OVERHEAD_BYTES = 16

/** The log in memory (§3.5), its commit index, and by `disk` how much of it is safe. */
export class Log {
  /** The entry just before the first one held here, as far as a log knows it. */
  readonly #before: { readonly index: LogIndex; readonly term: Term } = { index: 0, term: 0 }
  readonly #entries: Entry[] = []
  /** `#bytes[i]`: bytes of the first i+1 entries, so that the bytes of any range are one subtraction. */
  readonly #bytes: number[] = []
  #commitIndex: LogIndex = 0
  #reportedIndex: LogIndex = 0
  readonly disk: Disk

  /** `entries` are those found on disk: from index 1, without a hole. */
  constructor(entries: readonly Entry[]) {
    for (const entry of entries) this.append(entry)
    this.disk = new Disk(this.lastIndex)
  }

  get firstIndex(): LogIndex {
    return this.#before.index + 1
  }

  get lastIndex(): LogIndex {
    return this.#before.index + this.#entries.length
  }

  get lastTerm(): Term {
    return this.#entries.length === 0 ? this.#before.term : this.#entries[this.#entries.length - 1]!.term
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex
  }

  /** Undefined where this log has no entry. */
  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.firstIndex]
  }

  /** Undefined where this log has no entry; index 0 has term 0 in every log. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#before.index ? this.#before.term : this.entryAt(index)?.term
  }

  /** The entries `from`..`to`, both included; none if `to` is less than `from`. */
  slice(from: LogIndex, to: LogIndex): readonly Entry[] {
    return from > to ? NONE : this.#entries.slice(from - this.firstIndex, to - this.firstIndex + 1)
  }

  /** Bytes of the entries after `after` up to `upTo`. */
  bytesBetween(after: LogIndex, upTo: LogIndex): number {
    return this.#bytesUpTo(upTo) - this.#bytesUpTo(after)
  }

  /** The last index of the longest run from `from` that fits into `bytesMax`; at least `from` itself. */
  runEnd(from: LogIndex, bytesMax: number): LogIndex {
    let end = from
    while (end < this.lastIndex && this.bytesBetween(from - 1, end + 1) <= bytesMax) end++
    return end
  }

  /** §3.6.1: whether a log that ends so is at least as complete as this one. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  /**
   * The highest index up to `index` whose term is at most `term`. Terms never decrease along a log, so two logs can
   * only agree at or below this point: the backtracking of §3.5 by terms, for either side of a refusal.
   */
  lastWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    let low = this.#before.index
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
    this.#bytes.push(this.#bytesUpTo(this.lastIndex) + entry.payload.length + ENTRY_OVERHEAD_BYTES)
    this.#entries.push(entry)
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

  #truncate(from: LogIndex): void {
    assert(from > this.#commitIndex, 'what is committed is never truncated', {
      from,
      commit: this.#commitIndex,
    })
    this.#entries.length = from - this.firstIndex
    this.#bytes.length = this.#entries.length
    this.disk.truncated(from)
  }

  #bytesUpTo(index: LogIndex): number {
    return index < this.firstIndex ? 0 : this.#bytes[index - this.firstIndex]!
  }
}
