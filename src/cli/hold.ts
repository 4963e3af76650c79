import type { Clock, Lock } from '../client/index.js'
import { endGroup } from './end-group.js'
import { EXIT } from './exit-codes.js'
import type { ProcessGroup } from './process-group.js'

const MARGIN_MS = 2_000
/** Of the TTL. */
const MARGIN_SHARE = 1 / 5
/** Of the TTL; the client cuts what is more (client/lease.ts), so that renewals have time to be answered. */
const MARGIN_SHARE_MAX = 1 / 3
/** Of the margin; the rest is for late timers, for the KILL itself, and for clocks that differ. */
const GRACE_SHARE = 0.7
const GRACE_MS_MAX = 30_000
const LOOK_EVERY_MS = 100

/**
 * How long before the cluster could grant the lock to another the command is told to end, in ms: two seconds or a
 * fifth of the TTL, whichever is more, but at most a third of the TTL.
 */
export function lostMarginMs(ttlMs: number): number {
  return Math.min(Math.max(MARGIN_MS, ttlMs * MARGIN_SHARE), ttlMs * MARGIN_SHARE_MAX)
}

/** From TERM to KILL, in ms. KILL comes before the margin is used up. */
export function graceMs(ttlMs: number): number {
  return Math.min(lostMarginMs(ttlMs) * GRACE_SHARE, GRACE_MS_MAX)
}

/**
 * Waits until the command is over, and whatever it left behind in its group has been ended: nothing of it outlives
 * the lock. If the lock is lost first, ends the group. Resolves with the exit code to pass on, or `EXIT.lost`.
 * `grace` is as of `graceMs`.
 */
export async function whileHeld(
  group: ProcessGroup,
  lock: Pick<Lock, 'signal' | 'expiresInMs'>,
  grace: number,
  clock: Clock,
): Promise<number> {
  const deadline = watchDeadline(lock, clock)
  const lost = aborted(lock.signal).then(async () => {
    const overdueMs = Math.max(0, clock.nowMs() - deadline.atMs())
    await endGroup(group, Math.max(0, grace - overdueMs), clock)
    return EXIT.lost
  })
  const over = group.exited.then(async (code) => {
    await endGroup(group, grace, clock)
    return code
  })
  const code = await Promise.race([over, lost])
  deadline.forget()
  return lock.signal.aborted ? EXIT.lost : code
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/**
 * Remembers when the lock would have been lost without another renewal. After this process was stopped (SIGSTOP), the
 * loss is told late, and the handle knows no more than that it is lost: then this says how late.
 */
function watchDeadline(lock: Pick<Lock, 'expiresInMs'>, clock: Clock): { atMs(): number; forget(): void } {
  let atMs = clock.nowMs()
  const look = () => {
    const leftMs = lock.expiresInMs
    if (leftMs > 0) atMs = clock.nowMs() + leftMs
    return clock.after(LOOK_EVERY_MS, () => {
      timer = look()
    })
  }
  let timer = look()
  return { atMs: () => atMs, forget: () => timer.cancel() }
}
