/**
 * How much one entry may do beyond what its commands ask for of themselves: in names, of the claims that leave or are granted.
 * One name is some 3 µs of work. What the budget does not allow is done in later entries, on every node in the same ones.
 */
export class Budget {
  #left = Number.POSITIVE_INFINITY

  get left(): number {
    return this.#left
  }

  get isSpent(): boolean {
    return this.#left <= 0
  }

  refill(left: number): void {
    this.#left = left
  }

  /** What has been begun is finished: it may come to be below 0. */
  spend(count: number): void {
    this.#left -= count
  }

  allow(count: number): void {
    this.#left += count
  }
}
