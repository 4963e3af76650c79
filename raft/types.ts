/** Names of the Raft dissertation (Ongaro 2014), used as it uses them. */

/** A server's identity: a positive integer, unique in the cluster and never used again for another disk. */
export type NodeId = number

/** No node: "voted for nobody", "no leader known". */
export const NOBODY: NodeId = 0

/** §3.3: logical time, increases by one with every election. The first term is 1; 0 is "before any term". */
export type Term = number

/** The last term there can be: drivers keep terms in six bytes. No cluster gets there by elections alone. */
export const TERM_MAX: Term = 2 ** 48 - 1

/** §3.3: position in the log. The first entry has index 1; 0 is "before the log". */
export type LogIndex = number

/** Who shall vote and who shall only listen: what an operator asks for. */
export interface Members {
  readonly voters: readonly NodeId[]
  /** They get the log and count in no majority (§4.2.1). */
  readonly learners: readonly NodeId[]
}

/**
 * Who votes and who only listens (§4). In a joint configuration `outgoing` holds the old voters, and every decision
 * takes a majority of both (§4.3); otherwise it is empty. A voter that becomes a learner is meanwhile in both.
 */
export interface Configuration extends Members {
  readonly outgoing: readonly NodeId[]
}

/** One log entry. `payload` is opaque to Raft; an empty one without `config` is the no-op that opens a term (§6.4). */
export interface Entry {
  readonly index: LogIndex
  readonly term: Term
  readonly payload: Uint8Array
  /** An entry that changes the members; in force as soon as it is in the log (§4.1). */
  readonly config?: Configuration
}

/**
 * Where a log begins: everything up to here is in a checkpoint. Index 0 and term 0 for a log that has its beginning;
 * `config` then says who the first members are, and is `NO_MEMBERS` for a node that joins and has yet to be told.
 */
export interface LogStart {
  readonly index: LogIndex
  readonly term: Term
  /** In force at `index`. */
  readonly config: Configuration
}

/** What must be on disk before any message that depends on it is sent (§3.8). */
export interface HardState {
  readonly term: Term
  /** Who got our vote in `term`; `NOBODY` if nobody did. */
  readonly vote: NodeId
}

export type Role = 'follower' | 'candidate' | 'leader'
