/** Which places of a semaphore are taken: one bit each, so that the lowest free ones are found at once. */
export class Seats {
  free: number
  readonly #taken: number[] = []
  /** No word before this one has a free seat. */
  #firstWord = 0

  constructor(readonly capacity: number) {
    this.free = capacity
  }

  get isUnused(): boolean {
    return this.free === this.capacity
  }

  /** The lowest free ones; there must be so many. */
  take(count: number): readonly number[] {
    const seats: number[] = []
    while (seats.length < count) {
      const open = ~(this.#taken[this.#firstWord] ?? 0)
      if (open === 0) this.#firstWord++
      else seats.push(this.#mark(this.#firstWord * 32 + 31 - Math.clz32(open & -open)))
    }
    return seats
  }

  /** Just these, as after a restart. */
  occupy(seats: readonly number[]): void {
    for (const seat of seats) this.#mark(seat)
  }

  giveBack(seats: readonly number[]): void {
    for (const seat of seats) {
      const word = seat >>> 5
      this.#taken[word]! &= ~(1 << (seat & 31))
      this.#firstWord = Math.min(this.#firstWord, word)
    }
    this.free += seats.length
  }

  #mark(seat: number): number {
    const word = seat >>> 5
    while (this.#taken.length <= word) this.#taken.push(0)
    this.#taken[word]! |= 1 << (seat & 31)
    this.free--
    return seat
  }
}
