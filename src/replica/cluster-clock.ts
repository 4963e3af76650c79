/**
 * The cluster's clock is the leader's live time (design §3): it goes on from the last `at` in the log and counts only
 * the time in which this leader's event loop was turning. After a stall it advances by at most one turn's worth, so
 * that renewals which waited in the sockets are read and stamped before anything expires (faults 36, 39). It never
 * runs faster than the monotonic clock, which is what lets a holder compute its own deadline (P6).
 */
export class ClusterClock {
  #at: number
  #turnedAtMs: number
  readonly #advanceMsMax: number

  /** `at` is the last one in the log, in ms; `nowMs` is monotonic; without input there is a turn every `tickMs`. */
  constructor(at: number, nowMs: number, tickMs: number) {
    this.#at = at
    this.#turnedAtMs = nowMs
    this.#advanceMsMax = tickMs + TURN_MS_MAX
  }

  /** To be called every turn; returns the cluster's time in whole ms. */
  turn(nowMs: number): number {
    this.#at += Math.min(nowMs - this.#turnedAtMs, this.#advanceMsMax)
    this.#turnedAtMs = nowMs
    return Math.floor(this.#at)
  }
}

/** What a turn may last before it counts as a stall: well above a busy turn, well below half of the shortest TTL. */
export const TURN_MS_MAX = 50
