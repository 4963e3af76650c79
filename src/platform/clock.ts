/**
 * The process's monotonic clock (milliseconds, fractional; the wall clock does not move it) and its event loop.
 * It is the `Clock` that the replica and the client ask for.
 */
export const systemClock = {
  nowMs: (): number => performance.now(),

  after(delayMs: number, action: () => void): { cancel(): void } {
    const timeout = setTimeout(action, delayMs)
    return { cancel: () => clearTimeout(timeout) }
  },

  /**
   * The check phase comes after the poll phase: what is already in the sockets has been read by then. All actions of
   * one turn run in that one phase, and so do those that they ask for: a request goes from its socket to the sockets of
   * the peers in one turn.
   */
  soon(action: () => void): void {
    if (due.length === 0) setImmediate(runDue)
    due.push(action)
  },
}

let due: (() => void)[] = []

/** An action that throws does not swallow those behind it. */
function runDue(): void {
  let done = 0
  try {
    while (done < due.length) due[done++]!()
  } finally {
    due = due.slice(done)
    if (due.length > 0) setImmediate(runDue)
  }
}
