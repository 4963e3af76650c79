import { isDeepStrictEqual } from 'node:util'
import { TURN_MS_MAX } from '../../src/replica/cluster-clock.js'
import type { History } from './history.js'
import type { Applied, Ledger, Page } from './ledger.js'
import { DRIFT_MAX } from './process.js'
import type { Stamp } from './site.js'

/** Every node that applies the entry must come to the same. */
export function checkSame(ledger: Ledger, index: number, applied: Applied, history: History): void {
  const known = ledger.applied.get(index)
  if (!isDeepStrictEqual(known, applied))
    history.broken('state machine safety: nodes differ', { index, known, applied })
}

/** The clock of the cluster counts whole milliseconds. */
const ROUNDING_MS = 2

/** In true time: `renewalSentMs` is when the client sent the newest renewal that was acknowledged to it. */
export function checkNotEarlyInTrueTime(
  page: Page,
  nowMs: number,
  renewalSentMs: (session: number) => number | undefined,
  history: History,
): void {
  for (const session of page.sessionsEnded) {
    const sentMs = renewalSentMs(session.id)
    if (session.end !== 'expired' || sentMs === undefined) continue
    const lastedMs = nowMs - sentMs
    if (lastedMs < session.ttlMs / (1 + DRIFT_MAX) - ROUNDING_MS)
      history.broken('P7 honest TTL: expired early, in true time', { lastedMs, session })
  }
}

/**
 * The clock of the cluster is its leader's live time: while one leads, it never runs ahead of the time in which that
 * process was awake; a stop counts as one long turn of its event loop.
 */
export function checkLiveTime(before: Stamped, page: Stamped, tickMs: number, history: History): void {
  const { stamp } = page
  if (stamp === undefined || before.stamp === undefined || stamp.term !== before.stamp.term) return
  const livedMs = stamp.awakeMs - before.stamp.awakeMs
  const stallsMs = (stamp.stops - before.stamp.stops) * (tickMs + TURN_MS_MAX)
  // The clock is read when a turn begins, and the entry is seen at its end.
  if (page.at - before.at > livedMs * (1 + DRIFT_MAX) + stallsMs + TURN_MS_MAX + ROUNDING_MS)
    history.broken('P7 honest TTL: the cluster’s clock runs ahead', { before, page, livedMs })
}

/** An entry's place in cluster time, and in the life of the leader that made it. */
export interface Stamped {
  readonly at: number
  readonly stamp: Stamp | undefined
}

/** Of P7: the longest that a session may outlive its TTL while there is a leader. */
function latenessMsMax(ttlMs: number): number {
  return 250 + ttlMs * 0.01
}

/** While all is well. */
export interface Calm {
  /** Since when there was a leader all the time. */
  readonly sinceMs: number
  /** The longest that it proposed nothing, because it was handing over. */
  readonly pausedMs: number
}

/** Late by no more than was promised. */
export function checkNotLate(page: Page, nowMs: number, { sinceMs, pausedMs }: Calm, history: History): void {
  for (const session of page.sessionsEnded) {
    if (session.end !== 'expired') continue
    const lateMs = nowMs - Math.max(session.renewedAtMs, sinceMs) - session.ttlMs - pausedMs
    if (lateMs > latenessMsMax(session.ttlMs))
      history.broken('P7 honest TTL: expired late', { lateMs, session })
  }
}

/** The same of all else that ends by itself: waits, rests, suspensions, results. */
const LATE_MS_MAX = 250

export function checkDueInTime(
  page: Page,
  nowMs: number,
  { sinceMs, pausedMs }: Calm,
  history: History,
): void {
  if (nowMs - sinceMs < LATE_MS_MAX) return
  for (const until of page.due) {
    // The cluster's clock: all it has counted since it was due, while all was well.
    const lateMs = page.at - until - pausedMs
    if (lateMs > LATE_MS_MAX) history.broken('what was due came late', { lateMs, until, page })
  }
}
