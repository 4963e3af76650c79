/**
 * Numbers requests. A slot carries one request at a time, and its requests are numbered 1, 2, 3, …; more slots, more
 * requests in flight. The smallest free slot is taken first, so that there are never more slots than there were
 * requests in flight at once: that bounds what the cluster has to remember (NFSv4.1 sessions, RFC 8881 §2.10.6).
 */
export class Slots {
  /** Bit b of word w is set while slot 32 w + b is free. */
  readonly #free: number[] = []
  /** No word before this one has a free slot. */
  #firstWord = 0
  /** The number of the last request in each slot. Slot 0 belongs to the session itself. */
  readonly #seqs: number[] = [0]

  /** The smallest free slot, ready for its next request. */
  take(): { readonly slot: number; readonly seq: number } {
    const slot = this.#firstFree() ?? this.#seqs.push(0) - 1
    const seq = (this.#seqs[slot] ?? 0) + 1
    this.#seqs[slot] = seq
    return { slot, seq }
  }

  /** The slot's request has been answered, and nothing more will come for it. */
  give(slot: number): void {
    const word = slot >>> 5
    while (this.#free.length <= word) this.#free.push(0)
    this.#free[word]! |= 1 << (slot & 31)
    this.#firstWord = Math.min(this.#firstWord, word)
  }

  #firstFree(): number | undefined {
    for (; this.#firstWord < this.#free.length; this.#firstWord++) {
      const bits = this.#free[this.#firstWord]!
      if (bits === 0) continue
      const lowest = bits & -bits
      this.#free[this.#firstWord] = bits ^ lowest
      return this.#firstWord * 32 + 31 - Math.clz32(lowest)
    }
    return undefined
  }
}
