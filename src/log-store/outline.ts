import { assert, type Entry, type HardState, type LogIndex, type Term, type Write } from '../../raft/index.js'
import type { LogPosition } from '../replica/ports.js'

const BEGINNING: LogPosition = { index: 0, term: 0 }

/**
 * A log without its payloads: the hard state, where it begins, the last index, and where each term begins. It knows
 * whether a write follows on from what is on disk, so that a mistake stops the node before it reaches the disk.
 */
export class LogOutline {
  #hardState: HardState
  #start: LogIndex = 0
  #lastIndex: LogIndex = 0
  /** First index of each term, both increasing; the first of them is the term of the start, if that is not 0. */
  #terms: { readonly term: Term; readonly first: LogIndex }[] = []

  constructor(hardState: HardState, start: LogPosition | undefined, entries: readonly Entry[]) {
    this.#hardState = hardState
    this.restart(start ?? BEGINNING)
    for (const entry of entries) this.#append(entry)
  }

  get hardState(): HardState {
    return this.#hardState
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex
  }

  /** Term of the last entry, or of the start if there is none; 0 at the beginning. */
  get lastTerm(): Term {
    return this.#terms.at(-1)?.term ?? 0
  }

  /**
   * Takes over a write. `onAppend` is called for each of its entries with the term of the entry before it. Throws an
   * `InvariantError` if the write leaves a hole, overlaps what it does not truncate, or goes back in terms.
   */
  apply(write: Write, onAppend?: (entry: Entry, previousTerm: Term) => void): void {
    if (write.hardState !== undefined) this.#setHardState(write.hardState)
    if (write.truncateFrom !== undefined) this.#truncate(write.truncateFrom)
    for (const entry of write.entries) {
      const previousTerm = this.lastTerm
      this.#append(entry)
      onAppend?.(entry, previousTerm)
    }
  }

  /** The entries up to `index` go. Throws an `InvariantError` if it isn't in the log with that term. */
  compact({ index, term }: LogPosition): void {
    assert(index >= this.#start && index <= this.#lastIndex, 'a log begins within itself', {
      index,
      start: this.#start,
      last: this.#lastIndex,
    })
    while (this.#terms.length > 1 && this.#terms[1]!.first <= index) this.#terms.shift()
    assert(term === (this.#terms[0]?.term ?? 0), 'the start has the term of its entry', { index, term })
    this.#start = index
  }

  /** An empty log behind `start`. */
  restart({ index, term }: LogPosition): void {
    this.#checkTerm({ index, term })
    this.#start = index
    this.#lastIndex = index
    this.#terms = term === 0 ? [] : [{ term, first: index }]
  }

  #setHardState(next: HardState): void {
    assert(next.term >= this.#hardState.term, 'the term on disk never goes back', {
      next,
      before: this.#hardState,
    })
    this.#hardState = next
  }

  #truncate(from: LogIndex): void {
    assert(from > this.#start, 'truncation begins within the log', { from, start: this.#start })
    while (this.#terms.length > 0 && this.#terms.at(-1)!.first >= from) this.#terms.pop()
    this.#lastIndex = Math.min(this.#lastIndex, from - 1)
  }

  #append({ index, term }: Entry): void {
    assert(index === this.#lastIndex + 1, 'an entry follows the last one', { index, last: this.#lastIndex })
    assert(term >= this.lastTerm, 'terms never decrease along the log', {
      index,
      term,
      lastTerm: this.lastTerm,
    })
    this.#checkTerm({ index, term })
    if (term > this.lastTerm) this.#terms.push({ term, first: index })
    this.#lastIndex = index
  }

  #checkTerm({ index, term }: LogPosition): void {
    assert(term <= this.#hardState.term, 'no entry is ahead of the current term', {
      index,
      term,
      hardState: this.#hardState,
    })
  }
}
