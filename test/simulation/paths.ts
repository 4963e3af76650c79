import type { Random } from './random.js'
import type { World } from './world.js'

/** Which hosts the network carries packets between, one direction at a time. Hosts go by name. */
export class Paths {
  /** By `from>to`; how many faults cut it. */
  readonly #cuts = new Map<string, number>()
  readonly #waiting = new Map<string, (() => void)[]>()
  readonly #onCut = new Set<() => void>()

  isOpen(from: string, to: string): boolean {
    return !this.#cuts.has(`${from}>${to}`)
  }

  /** Both ways. */
  isClear(a: string, b: string): boolean {
    return this.isOpen(a, b) && this.isOpen(b, a)
  }

  /** Returns how to undo it. */
  cut(pairs: readonly (readonly [from: string, to: string])[]): () => void {
    const keys = pairs.map(([from, to]) => `${from}>${to}`)
    for (const key of keys) this.#cuts.set(key, (this.#cuts.get(key) ?? 0) + 1)
    for (const listener of [...this.#onCut]) listener()
    return () => {
      for (const key of keys) this.#mend(key)
    }
  }

  /** Calls back once, when packets pass again. */
  whenOpen(from: string, to: string, action: () => void): void {
    const key = `${from}>${to}`
    const waiting = this.#waiting.get(key)
    if (waiting === undefined) this.#waiting.set(key, [action])
    else waiting.push(action)
  }

  /** `listener` is called whenever something has been cut. Returns how to stop that. */
  onCut(listener: () => void): () => void {
    this.#onCut.add(listener)
    return () => this.#onCut.delete(listener)
  }

  #mend(key: string): void {
    const left = this.#cuts.get(key)! - 1
    if (left > 0) {
      this.#cuts.set(key, left)
      return
    }
    this.#cuts.delete(key)
    const waiting = this.#waiting.get(key) ?? []
    this.#waiting.delete(key)
    for (const action of waiting) action()
  }
}

/** What the network is like; faults change it. */
export interface Weather {
  /** Usual one-way latency, in ms. */
  latencyMs: number
  /** Share of packets that take up to a hundred times longer. */
  slowShare: number
}

export function latencyMs(weather: Weather, random: Random): number {
  const usual = weather.latencyMs * random.between(0.5, 1.5)
  return random.chance(weather.slowShare) ? Math.min(usual * random.between(1, 100), LATENCY_MS_MAX) : usual
}

const LATENCY_MS_MAX = 2_000

/** One direction of a connection, as TCP delivers: in order, each once, late if packets do not pass; or never, once closed. */
export class Channel {
  readonly #queue: { readonly atMs: number; readonly deliver: () => void }[] = []
  #lastAtMs = 0
  #closed = false

  constructor(
    readonly world: World,
    readonly random: Random,
    readonly paths: Paths,
    readonly weather: Weather,
    readonly from: string,
    readonly to: string,
  ) {}

  send(deliver: () => void): void {
    if (this.#closed) return
    const atMs = Math.max(this.#lastAtMs, this.world.nowMs + latencyMs(this.weather, this.random))
    this.#lastAtMs = atMs
    this.#queue.push({ atMs, deliver })
    if (this.#queue.length === 1) this.world.plan(atMs - this.world.nowMs, () => this.#arrive())
  }

  /** What is under way is lost. */
  close(): void {
    this.#closed = true
  }

  #arrive(): void {
    if (this.#closed) return
    if (!this.paths.isOpen(this.from, this.to)) {
      this.paths.whenOpen(this.from, this.to, () => {
        this.world.plan(this.random.between(0, RETRANSMIT_MS), () => this.#arrive())
      })
      return
    }
    this.#queue.shift()!.deliver()
    const next = this.#queue[0]
    if (next !== undefined) this.world.plan(next.atMs - this.world.nowMs, () => this.#arrive())
  }
}

/** TCP does not notice at once that packets pass again. */
const RETRANSMIT_MS = 400
