/** Names of the Raft dissertation (Ongaro 2014), used as it uses them. */

/** A server's identity: a positive integer, unique in the cluster and never used again for another disk. */
export type NodeId = number

/** No node: "voted for nobody", "no leader known". */
export const NOBODY: NodeId = 0

/** §3.3: logical time, increases by one with every election. The first term is 1; 0 is "before any term". */
export type Term = number

/** §3.3: position in the log. The first entry has index 1; 0 is "before the log". */
export type LogIndex = number

/**
 * Who votes and who only listens (thesis §4). In a joint configuration `outgoing` holds the old voters, and every
 * decision takes a majority of both.
 */
export interface Configuration {
  readonly voters: readonly NodeId[]
  readonly outgoing: readonly NodeId[]
  readonly learners: readonly NodeId[]
}

/** One log entry. `payload` is opaque to Raft; an empty one is the no-op that opens a term (§6.4). */
export interface Entry {
  readonly index: LogIndex
  readonly term: Term
  readonly payload: Uint8Array
  /** An entry that changes the members; in force as soon as it is in the log (§4.1). */
  readonly config?: Configuration
}

/**
 * Where a log begins: everything up to here is in a checkpoint. Index 0, term 0 for a log that has its beginning.
 */
export interface LogStart {
  readonly index: LogIndex
  readonly term: Term
  readonly config: Configuration
}

/** What must be on disk before any message that depends on it is sent (§3.8). */
export interface HardState {
  readonly term: Term
  /** Who got our vote in `term`; `NOBODY` if nobody did. */
  readonly vote: NodeId
}

export type Role = 'follower' | 'candidate' | 'leader'
