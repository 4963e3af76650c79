import type { Timer } from '../../src/replica/ports.js'

interface Planned {
  readonly atMs: number
  /** Breaks ties: first planned, first run. */
  readonly order: number
  action: (() => void) | undefined
}

/** Events of one batch of immediates; see `run`. */
const BATCH = 512

/** True time, which nobody in the simulation can see, and everything that is going to happen in it. */
export class World {
  #nowMs = 0
  #order = 0
  readonly #heap: Planned[] = []
  #events = 0

  get nowMs(): number {
    return this.#nowMs
  }

  get events(): number {
    return this.#events
  }

  /** Runs `action` once, `delayMs` of true time from now; what is planned for one moment runs in the order of planning. */
  plan(delayMs: number, action: () => void): Timer {
    const planned: Planned = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action }
    this.#push(planned)
    return {
      cancel: () => {
        planned.action = undefined
      },
    }
  }

  /**
   * Lets time pass until `endMs`, or until `over` is true after some event. One event at a time, and all promises that it
   * settles run before the next: immediates queued together run in order, with the microtasks drained after each.
   */
  async run(endMs: number, over: () => boolean): Promise<void> {
    for (let more = true; more; ) {
      more = await new Promise<boolean>((resolve, reject) => {
        let done = false
        const end = (more: boolean): void => {
          done = true
          resolve(more)
        }
        for (let k = 0; k < BATCH; k++) {
          setImmediate(() => {
            if (done) return
            try {
              if (over() || !this.#runNext(endMs)) end(false)
            } catch (error) {
              done = true
              reject(error)
            }
          })
        }
        setImmediate(() => {
          if (!done) end(true)
        })
      })
    }
    if (!over()) this.#nowMs = Math.max(this.#nowMs, endMs)
  }

  #runNext(endMs: number): boolean {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= endMs; next = this.#heap[0]) {
      this.#pop()
      if (next.action === undefined) continue
      this.#nowMs = next.atMs
      this.#events++
      next.action()
      return true
    }
    return false
  }

  #push(planned: Planned): void {
    const heap = this.#heap
    let index = heap.length
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent]!, planned)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = planned
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
