import { RefusedError, type Tried, UnreachableError } from './errors.js'
import type { Problem } from './ports.js'
import { isForNow } from './refusals.js'

/** What was tried in vain, since it last went well. */
export class Failures {
  readonly #tried = new Map<string, Tried>()
  /** When the first of them was; far in the future if there is none. */
  sinceMs = Number.POSITIVE_INFINITY
  count = 0
  /** The address that failed last. */
  last: string | undefined

  get tried(): readonly Tried[] {
    return [...this.#tried.values()]
  }

  /** Throws the error again if another attempt can't mend it. */
  add(address: string, error: unknown, nowMs: number): void {
    const attempts = (this.#tried.get(address)?.attempts ?? 0) + 1
    this.#tried.set(address, { address, attempts, problem: passing(error).message })
    this.sinceMs = Math.min(this.sinceMs, nowMs)
    this.count++
    this.last = address
  }

  clear(): void {
    this.#tried.clear()
    this.sinceMs = Number.POSITIVE_INFINITY
    this.count = 0
    this.last = undefined
  }
}

function passing(error: unknown): Problem {
  if (error instanceof UnreachableError) return error
  if (error instanceof RefusedError && isForNow(error)) return error
  throw error
}
