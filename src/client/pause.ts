import type { Clock } from './ports.js'

/** Resolves after so long, or as soon as the signal is aborted. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(delayMs, done)
    if (signal?.aborted) done()
    else signal?.addEventListener('abort', done)
  })
}
