import { openSync, readSync } from 'node:fs'

/**
 * Loaded before a node (`node --import`), tells on its stderr when its event loop did not turn for a while, one line of
 * JSON each. A timer that is due again and again comes late by as long as the loop was blocked. What of that time the
 * thread was ready to run, and others had the processor, is told apart: where everything runs on a few processors, that is
 * most of it.
 */
const PERIOD_MS = 2
const TOLD_MS = 5
const NS_PER_MS = 1_000_000

const runQueueMs = openRunQueueClock()
let dueMs = performance.now()
let waitedMs = runQueueMs()

const watch = (): void => {
  const ms = performance.now() - dueMs
  const nowWaitedMs = runQueueMs()
  if (ms >= TOLD_MS) {
    const atMs = performance.timeOrigin + dueMs
    const stall = { atMs, ms, ownMs: Math.max(0, ms - (nowWaitedMs - waitedMs)) }
    process.stderr.write(`${JSON.stringify({ stall })}\n`)
  }
  waitedMs = nowWaitedMs
  dueMs = performance.now() + PERIOD_MS
  setTimeout(watch, PERIOD_MS).unref()
}

watch()

/** How long this thread has waited for a processor so far, in ms. Linux tells; elsewhere it is 0. */
function openRunQueueClock(): () => number {
  const buffer = Buffer.alloc(128)
  try {
    // Nanoseconds on a processor, nanoseconds waiting for one, number of turns.
    const file = openSync('/proc/thread-self/schedstat', 'r')
    return () => {
      const bytes = readSync(file, buffer, 0, buffer.length, 0)
      return Number(buffer.toString('latin1', 0, bytes).split(' ')[1]) / NS_PER_MS
    }
  } catch {
    return () => 0
  }
}
