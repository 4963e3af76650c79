import { assert, type Entry, type HardState, type LogIndex, type Term, type Write } from '../../raft/index.js'

/**
 * A log without its payloads: the hard state, the last index, and where each term begins. It knows whether a write
 * follows on from what is on disk, so that a mistake stops the node before it reaches the disk.
 */
export class LogOutline {
  #hardState: HardState
  #lastIndex: LogIndex = 0
  /** First index of each term in the log, both increasing. */
  readonly #terms: { readonly term: Term; readonly first: LogIndex }[] = []

  constructor(hardState: HardState, entries: readonly Entry[]) {
    this.#hardState = hardState
    for (const entry of entries) this.#append(entry)
  }

  get hardState(): HardState {
    return this.#hardState
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex
  }

  /** Term of the last entry; 0 if there is none. */
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

  #setHardState(next: HardState): void {
    assert(next.term >= this.#hardState.term, 'the term on disk never goes back', {
      next,
      before: this.#hardState,
    })
    this.#hardState = next
  }

  #truncate(from: LogIndex): void {
    assert(from >= 1, 'truncation begins within the log', { from })
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
    assert(term <= this.#hardState.term, 'no entry is ahead of the current term', {
      index,
      term,
      hardState: this.#hardState,
    })
    if (term > this.lastTerm) this.#terms.push({ term, first: index })
    this.#lastIndex = index
  }
}
