import type { Clock, Timer } from '../../src/client/ports.js'

interface Planned {
  readonly atMs: number
  readonly action: () => void
}

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #nowMs = 1_000
  #planned: Planned[] = []
  #soon: (() => void)[] = []

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void): Timer {
    const planned = { atMs: this.#nowMs + delayMs, action }
    this.#planned.push(planned)
    return {
      cancel: () => this.#planned.splice(0, Infinity, ...this.#planned.filter((other) => other !== planned)),
    }
  }

  soon(action: () => void): void {
    this.#soon.push(action)
  }

  /** Timers that still wait. */
  get planned(): number {
    return this.#planned.length
  }

  /** Time passes, and whatever falls due is run in order; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    for (;;) {
      await this.turn()
      const next = this.#planned.reduce<Planned | undefined>(
        (best, planned) => (best === undefined || planned.atMs < best.atMs ? planned : best),
        undefined,
      )
      if (next === undefined || next.atMs > endMs) break
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#planned = this.#planned.filter((planned) => planned !== next)
      next.action()
    }
    this.#nowMs = endMs
  }

  /** What is due at the end of this turn, and the promises that follow from it. No time passes. */
  async turn(): Promise<void> {
    await new Promise(setImmediate)
    while (this.#soon.length > 0) {
      for (const action of this.#soon.splice(0)) action()
      await new Promise(setImmediate)
    }
  }

  /** The process stands still: time passes, and no timer runs. */
  freeze(ms: number): void {
    this.#nowMs += ms
  }
}
