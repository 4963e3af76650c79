import { getRandomValues } from 'node:crypto'
import type { Clock } from './ports.js'

const TIMEOUT_MS_MAX = 2 ** 31 - 1
const MANTISSA = 2 ** 53

/**
 * CLOCK_MONOTONIC on Linux: it keeps counting through SIGSTOP, but not while the whole machine sleeps. A holder on a
 * laptop that was closed finds out from the cluster, and until then by its token (P6 covers a stopped process by fencing).
 */
export const systemClock: Clock = {
  // One origin for the whole process. That of `performance.now()` is, by its standard, each thread's own.
  nowMs: () => Number(process.hrtime.bigint()) / 1e6,
  after(delayMs, action) {
    const timer = setTimeout(action, Math.min(Math.ceil(delayMs), TIMEOUT_MS_MAX))
    return { cancel: () => clearTimeout(timer) }
  },
  soon: (action) => {
    setImmediate(action)
  },
}

/** Cannot be guessed: the session's key is made of it. */
export function secureRandom(): number {
  const [high = 0, low = 0] = getRandomValues(new Uint32Array(2))
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / MANTISSA
}
