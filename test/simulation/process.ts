import type { Clock, Timer } from '../../src/replica/ports.js'
import type { Random } from './random.js'
import type { World } from './world.js'

/** By how much the clocks of two machines may differ in rate; real oscillators do by 0.02 %. */
export const DRIFT_MAX = 0.005

export interface ProcessOptions {
  /** Of its machine's monotonic clock: 1 is true time. */
  readonly clockRate: number
  /** How often its event loop is kept busy for some milliseconds by something else. */
  readonly busyness: number
}

/**
 * A process with its event loop and its machine's clock. It can be killed, after which nothing of it happens any more;
 * and stopped (SIGSTOP), when what comes in waits, and its clock goes on. If only its event loop is blocked, its other threads
 * go on as well.
 */
export class Process {
  readonly clock: Clock
  readonly #world: World
  readonly #random: Random
  readonly #options: ProcessOptions
  readonly #originMs: number
  #alive = true
  #stopped = false
  #stoppedAtMs = 0
  #stoppedMs = 0
  stops = 0
  #backlog: (() => void)[] = []
  #soon: (() => void)[] = []
  readonly #threads: Process[] = []

  constructor(
    world: World,
    readonly name: string,
    random: Random,
    options: ProcessOptions,
    originMs = random.between(0, 1e6),
  ) {
    this.#world = world
    this.#random = random
    this.#options = options
    this.#originMs = originMs
    this.clock = {
      nowMs: () => this.#originMs + world.nowMs * options.clockRate,
      after: (delayMs, action) => this.#after(delayMs, action),
      soon: (action) => this.#atEndOfTurn(action),
    }
  }

  /** Another event loop of the same process. */
  thread(): Process {
    const thread = new Process(this.#world, this.name, this.#random.fork(), this.#options, this.#originMs)
    this.#threads.push(thread)
    return thread
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Alive, and up to date with what happened while it was stopped. */
  get awake(): boolean {
    return this.#alive && !this.#stopped
  }

  /** True time, without that in which it was stopped. */
  get awakeMs(): number {
    return this.#world.nowMs - this.#stoppedMs
  }

  /** Something comes from outside, now. */
  take(action: () => void): void {
    if (!this.#alive) return
    if (this.#stopped) this.#backlog.push(action)
    else action()
  }

  kill(): void {
    this.#alive = false
    this.#backlog = []
    this.#soon = []
    for (const thread of this.#threads) thread.kill()
  }

  stop(): void {
    this.block()
    for (const thread of this.#threads) thread.stop()
  }

  block(): void {
    this.#stopped = true
    this.#stoppedAtMs = this.#world.nowMs
    this.stops++
  }

  /** What has waited happens now, in the order in which it came, timers that are overdue among the rest. */
  continue(): void {
    this.#stoppedMs += this.#world.nowMs - this.#stoppedAtMs
    const backlog = this.#backlog
    this.#backlog = []
    for (const action of backlog) this.#world.plan(0, () => this.#alive && action())
    this.#world.plan(0, () => {
      const cameMeanwhile = this.#backlog
      this.#backlog = []
      this.#stopped = false
      for (const action of cameMeanwhile) this.take(action)
    })
    for (const thread of this.#threads) if (thread.#stopped) thread.continue()
  }

  #after(delayMs: number, action: () => void): Timer {
    let cancelled = false
    const timer = this.#world.plan(Math.max(0, delayMs) / this.#options.clockRate + this.#lagMs(), () =>
      this.take(() => {
        if (!cancelled) action()
      }),
    )
    return {
      cancel: () => {
        cancelled = true
        timer.cancel()
      },
    }
  }

  #atEndOfTurn(action: () => void): void {
    this.#soon.push(action)
    if (this.#soon.length > 1) return
    this.#world.plan(this.#lagMs(), () => this.take(() => this.#endTurn()))
  }

  /** What the actions ask for runs in the same turn, as with the system's clock. */
  #endTurn(): void {
    for (let k = 0; k < this.#soon.length; k++) this.#soon[k]!()
    this.#soon = []
  }

  /** The rest of the turn; now and then something long is in it. */
  #lagMs(): number {
    const { busyness } = this.#options
    return this.#random.next() < busyness ? this.#random.between(1, 25) : this.#random.between(0.01, 0.3)
  }
}
