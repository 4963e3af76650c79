import type { Clock } from '../../src/replica/ports.js'

/** Time that stands still until `run` is called, which also lets what was awaited go on after each action. */
export class FakeClock implements Clock {
  #nowMs = 0
  #pending: Pending[] = []

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, action: () => void) {
    const entry = { atMs: this.#nowMs + delayMs, action }
    this.#pending.push(entry)
    return { cancel: () => this.#forget(entry) }
  }

  soon(action: () => void): void {
    this.after(0, action)
  }

  async run(forMs: number): Promise<void> {
    await settled()
    const endMs = this.#nowMs + forMs
    for (let next = this.#due(endMs); next !== undefined; next = this.#due(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      await this.#fire(next)
    }
    this.#nowMs = endMs
  }

  /** The process is stopped and goes on: all that fell due meanwhile fires at the end, in order. */
  async freeze(forMs: number): Promise<void> {
    await settled()
    this.#nowMs += forMs
    await this.run(0)
  }

  #due(endMs: number) {
    return this.#pending.filter(({ atMs }) => atMs <= endMs).sort((one, other) => one.atMs - other.atMs)[0]
  }

  async #fire(entry: Pending): Promise<void> {
    this.#forget(entry)
    entry.action()
    await settled()
  }

  #forget(entry: Pending): void {
    this.#pending = this.#pending.filter((other) => other !== entry)
  }
}

interface Pending {
  readonly atMs: number
  readonly action: () => void
}

/** After what was awaited, and what that awaited, and so on, has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
