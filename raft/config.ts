import { assert } from './assert.js'
import { isNodeId } from './membership.js'
import type { NodeId } from './types.js'

/** Ticks are the driver's; at 10 ms a tick the defaults mean heartbeats every 60 ms, elections after 600–1,200 ms. */
export interface RaftConfig {
  readonly id: NodeId
  readonly heartbeatTicks: number
  /** Silence for this long makes a leader doubtful; a campaign starts after this plus a random share of it again. */
  readonly electionTicks: number
  /** After a broken stream to the leader, pre-vote within this many ticks, at random. */
  readonly disconnectTicks: number
  /** Bytes of entries sent to a follower and not yet answered. */
  readonly inflightBytesMax: number
  /** Bytes of entries in one append; one entry always fits. */
  readonly appendBytesMax: number
  /** Reads waiting for their confirmation; more are refused. */
  readonly pendingReadsMax: number
}

export const RAFT_DEFAULTS = {
  heartbeatTicks: 6,
  electionTicks: 60,
  disconnectTicks: 10,
  inflightBytesMax: 8 * 1024 * 1024,
  appendBytesMax: 1024 * 1024,
  pendingReadsMax: 65_536,
} as const satisfies Partial<RaftConfig>

/** Throws an `InvariantError` that names the relation broken. */
export function checkConfig(config: RaftConfig): void {
  const { id, heartbeatTicks, electionTicks, disconnectTicks, inflightBytesMax, appendBytesMax } = config
  assert(isNodeId(id), 'a node id is a positive integer', { id })
  assert(heartbeatTicks >= 1, 'heartbeatTicks is at least 1', { heartbeatTicks })
  assert(electionTicks > 2 * heartbeatTicks, 'electionTicks is more than twice heartbeatTicks', {
    electionTicks,
    heartbeatTicks,
  })
  assert(disconnectTicks >= 1, 'disconnectTicks is at least 1', { disconnectTicks })
  assert(appendBytesMax >= 1, 'appendBytesMax is at least 1', { appendBytesMax })
  assert(inflightBytesMax >= appendBytesMax, 'one append fits into the flight', {
    inflightBytesMax,
    appendBytesMax,
  })
}
