import { Fifo } from './work-queue.js'

/** What a lane may take before it is the next one's turn. */
const QUANTUM_BYTES = 4 * 1024

interface Queued<T> {
  readonly item: T
  readonly bytes: number
}

interface Lane<T> {
  readonly id: number
  readonly queued: Fifo<Queued<T>>
  bytes: number
  /** What it may still take in this turn. A large item leaves a debt, which turns that are passed over pay off. */
  credit: number
}

/**
 * A bounded queue shared by many lanes. Each lane keeps its own order; the lanes take turns by bytes (deficit round robin,
 * Shreedhar and Varghese 1996), so a lane with little in it waits for no other's backlog.
 *
 * A lane may hold as much as is left free (dynamic thresholds, Choudhury and Hahne 1998). So one lane never has more than half of
 * the queue, n greedy lanes leave room for one more such share, and who holds little is refused last.
 */
export class FairQueue<T> {
  readonly #bytesMax: number
  /** In the order of their turns; none is empty. */
  readonly #lanes = new Map<number, Lane<T>>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  /** Of all that is in the queue. */
  get bytes(): number {
    return this.#bytes
  }

  /** False: the lane has its share; nothing was taken. `bytes` is at least 1. */
  push(id: number, item: T, bytes: number): boolean {
    let lane = this.#lanes.get(id)
    if ((lane?.bytes ?? 0) + bytes > this.#bytesMax - this.#bytes) return false
    if (lane === undefined) {
      lane = { id, queued: new Fifo(), bytes: 0, credit: QUANTUM_BYTES }
      this.#lanes.set(id, lane)
    }
    lane.queued.push({ item, bytes })
    lane.bytes += bytes
    this.#bytes += bytes
    return true
  }

  /** The next item, and its bytes. */
  take(): Queued<T> | undefined {
    for (const lane of this.#lanes.values()) {
      if (lane.credit > 0) return this.#takeFrom(lane)
      lane.credit += QUANTUM_BYTES
      // A map visits what is set again last, so this ends with the first lane that has paid its debt.
      this.#lanes.delete(lane.id)
      this.#lanes.set(lane.id, lane)
    }
    return undefined
  }

  clear(): void {
    this.#lanes.clear()
    this.#bytes = 0
  }

  #takeFrom(lane: Lane<T>): Queued<T> {
    const queued = lane.queued.shift()!
    this.#bytes -= queued.bytes
    lane.bytes -= queued.bytes
    lane.credit -= queued.bytes
    if (lane.queued.first === undefined) this.#lanes.delete(lane.id)
    return queued
  }
}
