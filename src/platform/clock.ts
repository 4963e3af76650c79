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
   * one turn run in that one phase; one that throws does not swallow those behind it.
   */
  soon(action: () => void): void {
    setImmediate(action)
  },
}
