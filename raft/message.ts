import type { Entry, LogIndex, Term } from './types.js'

/** What peers say to each other. Local inputs and effects are other types, in `io.ts`. */
export type Message =
  | Vote
  | VoteResult
  | Append
  | AppendResult
  | Commit
  | ReadRequest
  | ReadResult
  | TimeoutNow

/** Whether the message answers one of ours. */
export function isAnswer({ kind }: Message): boolean {
  return kind === 'vote_result' || kind === 'append_result' || kind === 'read_result'
}

/** Whether only the leader of its term sends it. */
export function isLeaders({ kind }: Message): boolean {
  return kind === 'append' || kind === 'commit' || kind === 'timeout_now'
}

/**
 * RequestVote (§3.4), and with `pre` its rehearsal (§9.6). A pre-vote carries the term the sender *would*
 * campaign in and changes nothing at the receiver.
 */
export interface Vote {
  readonly kind: 'vote'
  readonly term: Term
  readonly pre: boolean
  /** The leader asked for this election, so those who are loyal to it answer, too (§4.2.3). Never with `pre`. */
  readonly transfer: boolean
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
}

/** For `pre` and granted, `term` echoes the rehearsed term; refused, it is the receiver's own. */
export interface VoteResult {
  readonly kind: 'vote_result'
  readonly term: Term
  readonly pre: boolean
  readonly granted: boolean
}

/** AppendEntries (§3.5); without entries it is the heartbeat. */
export interface Append {
  readonly kind: 'append'
  readonly term: Term
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly entries: readonly Entry[]
  /** The leader's commit index. */
  readonly commit: LogIndex
  /** Number of the newest heartbeat round (§6.4); echoed, so that an old answer never confirms a newer read. */
  readonly round: number
}

export interface AppendResult {
  readonly kind: 'append_result'
  readonly term: Term
  readonly accepted: boolean
  /**
   * Accepted: the highest index known to equal the leader's log, and on disk. Refused: the `prevIndex` refused; 0, as all
   * that follows, if the append is of a past term.
   */
  readonly index: LogIndex
  /** Refused: the receiver's highest entry at or below the conflict that might match (§3.5, backtracking by terms). */
  readonly hintIndex: LogIndex
  readonly hintTerm: Term
  readonly round: number
}

/** "Committed up to here", said at once rather than with the next append. Never above the receiver's match. No answer. */
export interface Commit {
  readonly kind: 'commit'
  readonly term: Term
  readonly commit: LogIndex
}

/** A follower asks the leader for a read index (§6.4). */
export interface ReadRequest {
  readonly kind: 'read'
  readonly term: Term
  readonly id: number
}

/** `index` 0: refused, the asked node is not a leader that can serve reads. */
export interface ReadResult {
  readonly kind: 'read_result'
  readonly term: Term
  readonly id: number
  readonly index: LogIndex
}

/** The leader hands over: the receiver, who has all of its log, shall campaign at once (§3.10). */
export interface TimeoutNow {
  readonly kind: 'timeout_now'
  readonly term: Term
}
