/**
 * Loaded before a node (`node --import`), tells on its stderr when its event loop did not turn for a while, one line of
 * JSON each. A timer that is due again and again comes late by as long as the loop was blocked.
 */
const PERIOD_MS = 1
const TOLD_MS = 5

let dueMs = performance.now() + PERIOD_MS

const watch = (): void => {
  const nowMs = performance.now()
  const ms = nowMs - dueMs
  if (ms >= TOLD_MS) {
    const atMs = performance.timeOrigin + dueMs
    process.stderr.write(`${JSON.stringify({ stall: { atMs, ms } })}\n`)
  }
  dueMs = performance.now() + PERIOD_MS
  setTimeout(watch, PERIOD_MS).unref()
}

watch()
