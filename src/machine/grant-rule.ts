/**
 * When a claim is granted: when in every queue it stands in, nobody waits before it and it agrees with
 * those who hold. All or none: a claim on several names holds nothing while it waits, and since it entered
 * all its queues in one log entry, of two claims the same one is before the other in every queue they
 * share: no cycle, no deadlock.
 */
import type { Mode } from './command.js'
import type { Claim, Queue } from './queues.js'

/** False for a claim that is granted already, or gone: it does not stand first among those who wait. */
export function isGrantable(claim: Claim): boolean {
  for (const place of claim.places) {
    if (place.queue.waiting.first !== place || !isCompatible(claim.mode, place.queue)) return false
  }
  return true
}

/** The one place that knows what modes mean. */
function isCompatible(mode: Mode, queue: Queue): boolean {
  switch (mode.kind) {
    case 'exclusive':
      return queue.granted.count === 0
  }
}
