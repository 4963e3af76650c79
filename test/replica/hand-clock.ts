import type { Clock, Timer } from '../../src/replica/ports.js'

interface Planned {
  readonly atMs: number
  readonly action: () => void
}

/** Time and the event loop, moved by hand: nothing happens but by `pass`, `stall` and `turn`. */
export class HandClock implements Clock {
  #nowMs = 1_000_000
  #soon: (() => void)[] = []
  readonly #timers = new Set<Planned>()

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): Timer {
    const planned = { atMs: this.#nowMs + delayMs, action }
    this.#timers.add(planned)
    return { cancel: () => this.#timers.delete(planned) }
  }

  soon(action: () => void): void {
    this.#soon.push(action)
  }

  /** Timers that have yet to go off. */
  get timers(): number {
    return this.#timers.size
  }

  /** The turn ends, and with it what it asked for; then what the disk's promises set off. */
  async turn(): Promise<void> {
    do {
      while (this.#soon.length > 0) this.#soon.shift()!()
      await new Promise(setImmediate)
    } while (this.#soon.length > 0)
  }

  /** The next turn, in which what is due by now goes off, and none of what that plans. */
  async nextTurn(): Promise<void> {
    for (const planned of [...this.#timers]) {
      if (planned.atMs > this.#nowMs) continue
      this.#timers.delete(planned)
      planned.action()
    }
    await this.turn()
  }

  /** Timers go off at their times, each in a turn of its own. */
  async pass(ms: number): Promise<void> {
    await this.turn()
    const end = this.#nowMs + ms
    for (let next = this.#next(); next !== undefined && next.atMs <= end; next = this.#next()) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#timers.delete(next)
      next.action()
      await this.turn()
    }
    this.#nowMs = end
  }

  /** The process is stopped for so long; what falls due meanwhile comes with the next turn. */
  stall(ms: number): void {
    this.#nowMs += ms
  }

  #next(): Planned | undefined {
    let first: Planned | undefined
    for (const timer of this.#timers) if (first === undefined || timer.atMs < first.atMs) first = timer
    return first
  }
}
