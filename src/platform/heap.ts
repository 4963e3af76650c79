import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

/** What V8 may use; it ends the process beyond. Fixed at the start of the process. */
export function heapLimitBytes(): number {
  return getHeapStatistics().heap_size_limit
}

/** An entry of type `gc`. */
interface Collection {
  readonly detail: { readonly kind: number }
}

/**
 * How much of the heap is left. What is used at a moment is for the most part garbage, so it says little; what is alive is only
 * known when V8 has just collected all of it, which it does ever more rarely. So the node reckons what it holds, and
 * after each full collection takes note of how much more there was.
 */
export class Heap {
  readonly #heldBytes: () => number
  readonly #observer: PerformanceObserver
  /** A node at rest, until it is known better. */
  #otherBytes = 48 * 1024 * 1024

  /** `heldBytes`: what the node holds as of now, by its own reckoning, in constant time. */
  constructor(heldBytes: () => number) {
    this.#heldBytes = heldBytes
    this.#observer = new PerformanceObserver((list) => {
      const kinds = list.getEntries().map((entry) => (entry as unknown as Collection).detail.kind)
      if (kinds.includes(constants.NODE_PERFORMANCE_GC_MAJOR)) this.#otherBytes = this.#other()
    })
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  get freeBytes(): number {
    const alive = Math.min(getHeapStatistics().used_heap_size, this.#heldBytes() + this.#otherBytes)
    return Math.max(0, heapLimitBytes() - alive)
  }

  stop(): void {
    this.#observer.disconnect()
  }

  #other(): number {
    return getHeapStatistics().used_heap_size - this.#heldBytes()
  }
}
