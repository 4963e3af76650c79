import type { Message } from './message.js'
import type {
  Configuration,
  Entry,
  HardState,
  LogIndex,
  LogStart,
  Members,
  NodeId,
  Role,
  Term,
} from './types.js'

/** What happens to a node. A step takes a batch of these, in order. */
export type Input =
  /** One tick of the local clock has passed. The driver never makes up for ticks it missed. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: Message }
  | Request
  /** Ask for a read index. Answered once, in some later `reads`, with this id. */
  | { readonly kind: 'read'; readonly id: number }
  /** The write with this id, and all before it, are on disk. */
  | { readonly kind: 'written'; readonly write: number }
  /** The stream to this peer's process broke: a hint, nothing more. */
  | { readonly kind: 'disconnected'; readonly peer: NodeId }
  /** The entries up to here are in a durable checkpoint: forget them. At most what was reported as committed. */
  | { readonly kind: 'compact'; readonly index: LogIndex }
  /**
   * A peer's checkpoint is on this node's disk in place of its log and its own checkpoint. Only if `wants(start)`, and
   * with neither a step nor a write between that question and this input, which comes first in its step.
   */
  | { readonly kind: 'restored'; readonly start: LogStart }
  /** The sending of a snapshot to this peer is over, whether it arrived or not. */
  | { readonly kind: 'snapshot_ended'; readonly peer: NodeId }

/** What only a leader can do. If this node ignores it, the output says so: see `ignored`. */
export type Request =
  /** One entry to append. */
  | { readonly kind: 'propose'; readonly payload: Uint8Array }
  /**
   * Change the members. A change of voters takes two entries (§4.3), both with this payload, of learners alone one. It
   * is over when `status` shows the target committed.
   */
  | { readonly kind: 'reconfigure'; readonly target: Members; readonly payload: Uint8Array }
  /** Hand leadership to this voter (§3.10). It is over when this node leads no longer, or reports it as ignored. */
  | { readonly kind: 'transfer'; readonly to: NodeId }

/** A request that has no effect. Made again later, or elsewhere, it may have. */
export interface IgnoredRequest {
  /** The very object that the step was given; for a transfer, perhaps an earlier step. */
  readonly request: Request
  readonly reason: IgnoredReason
}

export type IgnoredReason =
  | 'not_leader'
  /** This leader's no-op has yet to be committed. */
  | 'not_serving'
  /** This leader hands over: it takes neither proposals nor changes of members, nor another transfer. */
  | 'transferring'
  /** The change of members before this one is not over. */
  | 'changing'
  /** The members can't be these; or this transferee is no other voter. */
  | 'invalid'
  /** A transfer had begun, and is given up: its stream broke, or an election timeout passed. This node goes on leading. */
  | 'transfer_failed'

/**
 * A peer sent what no peer sends that keeps to the protocol. The message had no effect, except for `term_leap`. The
 * driver should end the connection that it came on.
 */
export interface Violation {
  readonly from: NodeId
  readonly reason: ViolationReason
  /** For people: what was said, with its figures. */
  readonly message: string
}

export type ViolationReason =
  /** It makes no sense in itself. */
  | 'malformed'
  /** Another node leads, or led, in this term. */
  | 'second_leader'
  /** It contradicts what is committed here, or what this leader said before. */
  | 'conflict'
  /** It answers what this leader never sent. */
  | 'unsent'
  /** It is of a term much later than elections could have brought: this node went only part of the way. */
  | 'term_leap'

/**
 * What must be done, in order of work. `send` may go out while `write` is under way; `sendAfterWrite` must wait
 * until the newest write handed out so far (this one, if there is one) is on disk.
 */
export interface Output {
  readonly write: Write | undefined
  readonly send: readonly Outgoing[]
  readonly sendAfterWrite: readonly Outgoing[]
  /** Newly committed entries, contiguous, each exactly once. */
  readonly committed: readonly Entry[]
  readonly reads: readonly ReadVerdict[]
  /**
   * These followers need entries that this log has forgotten: send them a checkpoint, then report `snapshot_ended`. Each
   * is named once until then.
   */
  readonly snapshots: readonly NodeId[]
  readonly ignored: readonly IgnoredRequest[]
  /** At most one for each peer. */
  readonly violations: readonly Violation[]
  readonly status: Status
}

export interface Outgoing {
  readonly to: NodeId
  readonly message: Message
}

/** One atomic change of the disk: hard state, then truncation, then entries. Ids count up from 1. */
export interface Write {
  readonly id: number
  readonly hardState: HardState | undefined
  /** Drop all entries from this index on, before `entries` are put. */
  readonly truncateFrom: LogIndex | undefined
  readonly entries: readonly Entry[]
}

/** `index` undefined: refused, no leader could confirm it; ask again. Otherwise wait until applied ≥ index, then read. */
export interface ReadVerdict {
  readonly id: number
  readonly index: LogIndex | undefined
}

/** Soft state, as of the end of the step. */
export interface Status {
  readonly id: NodeId
  readonly role: Role
  readonly term: Term
  /** `NOBODY` when unknown. */
  readonly leader: NodeId
  readonly lastIndex: LogIndex
  readonly commitIndex: LogIndex
  /** True once a leader's no-op has been committed (§6.4): only then may it serve, stamp time, expire. */
  readonly serving: boolean
  /** In force, committed or not. */
  readonly config: Configuration
  /** Of the newest entry that changed the members, or where the log starts if that was forgotten. */
  readonly configIndex: LogIndex
  readonly configCommitted: boolean
  /** This leader hands over: requests are ignored meanwhile. */
  readonly transferring: boolean
}

/** A follower as the leader sees it. */
export interface FollowerProgress {
  readonly id: NodeId
  /** Its log equals the leader's up to here, and is on its disk. */
  readonly match: LogIndex
  /** A snapshot is being sent. */
  readonly snapshot: boolean
}
