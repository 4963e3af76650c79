import { setTimeout as sleep } from 'node:timers/promises'
import { Operator } from '../client/operator.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import { ledMembers, othersOf } from './repair.js'

/** What this needs of a running node. */
export interface FencedNode {
  readonly isFencedOff: () => boolean
  readonly othersLead: () => void
}

/** Long enough for all who know of the lost disk to say so first. */
const LOOK_MS = 15_000

/**
 * Tells a node that is fenced off when the others have a leader. A fenced-off node is in no majority, so there is one without it: all that
 * was committed is there, and nothing depends on the disk of this node. Without this a node of which too few peers remember
 * what it promised would stay fenced off for good. Goes on until `signal` is aborted.
 */
export async function watchFencedOff(
  config: NodeConfig,
  node: FencedNode,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  using operator = new Operator(othersOf(config))
  while (!signal.aborted) {
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {})
    if (!node.isFencedOff()) continue
    const seen = await ledMembers(operator, logger)
    if (seen !== undefined && !signal.aborted) node.othersLead()
  }
}
