/** All chance of a simulation, from one seed. sfc32 (Chris Doty-Humphrey): 128 bits of state, small and fast. */
export class Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor(seed: number, stream = 0) {
    this.#a = seed | 0
    this.#b = (seed / 2 ** 32) | 0
    this.#c = stream | 0
    for (let k = 0; k < 15; k++) this.#bits()
  }

  /** Uniform in [0, 1), of 53 bits: the product makes secrets and numbers of it that must not meet. */
  readonly next = (): number => {
    const high = this.#bits() >>> 5
    return (high * 2 ** 26 + (this.#bits() >>> 6)) / 2 ** 53
  }

  /** A stream of its own, so that one more draw here changes nothing there. */
  fork(): Random {
    return new Random(this.next() * 2 ** 53, this.#bits())
  }

  between(min: number, max: number): number {
    return min + this.next() * (max - min)
  }

  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.next() * choices.length)]!
  }

  /** Each with the given probability. */
  some<T>(choices: readonly T[], probability: number): T[] {
    return choices.filter(() => this.chance(probability))
  }

  /** Waiting times between things that happen independently. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next())
  }

  #bits(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum
  }
}
