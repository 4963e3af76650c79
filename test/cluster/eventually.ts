import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20

/**
 * Asks again and again until `probe` answers with something, and resolves with that. Rejects, naming `what` should
 * have come to pass, after `withinMs`.
 */
export async function eventually<T>(
  what: string,
  withinMs: number,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const endMs = performance.now() + withinMs
  for (;;) {
    const answer = await probe()
    if (answer !== undefined) return answer
    if (performance.now() > endMs) throw new Error(`this did not come to pass within ${withinMs} ms: ${what}`)
    await sleep(POLL_MS)
  }
}

/** Resolves as `promise` does. Rejects, naming `what` should have come to pass, after `withinMs`. */
export async function within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = sleep(withinMs, undefined, { signal: over.signal }).then(
    () => Promise.reject(new Error(`this did not come to pass within ${withinMs} ms: ${what}`)),
    () => promise,
  )
  try {
    return await Promise.race([promise, late])
  } finally {
    over.abort()
  }
}
