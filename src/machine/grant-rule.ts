/**
 * When a claim is granted: when in every queue it stands in, nobody waits before it and it agrees with
 * those who hold. All or none: a claim on several names holds nothing while it waits, and since it entered
 * all its queues in one log entry, of two claims the same one is before the other in every queue they
 * share: no cycle, no deadlock.
 */
import type { Claim, Queue } from './queues.js'

/** False for a claim that is granted already, or gone: it does not stand first among those who wait. */
export function isGrantable(claim: Claim): boolean {
  const { mode } = claim
  if (claim.isGone) return false
  for (const place of claim.places) {
    if (mode.kind === 'member') return claim.token === undefined
    const { queue } = place
    if (queue.waiting.first !== place || (queue.rest ?? queue.suspension) !== undefined) return false
    if (queue.granted.first !== undefined && !isCompatible(claim, queue)) return false
  }
  return true
}

/** The one place that knows what modes mean. Those who hold agree with each other, so the first speaks for all. */
function isCompatible({ mode, terms }: Claim, queue: Queue): boolean {
  const holder = queue.granted.first!.claim
  switch (mode.kind) {
    case 'exclusive':
      return queue.granted.count === 1 && holder.token === terms.upgrades
    case 'shared':
      return holder.mode.kind === 'shared'
    case 'permits':
      return queue.seats !== undefined && queue.seats.free >= mode.permits
    case 'member':
      return true
  }
}

/** What a name is used for by those who stand in it in earnest; members do not. */
export function useOf({ mode, terms }: Pick<Claim, 'mode' | 'terms'>): string {
  if (mode.kind === 'permits') return `a semaphore of ${mode.of}`
  return terms.fingerprint === undefined
    ? 'a lock'
    : `work that is done once, with fingerprint '${terms.fingerprint}'`
}
