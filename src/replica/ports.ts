import type { Entry, HardState, LogIndex, LogStart, Message, NodeId, Term, Write } from '../../raft/index.js'

/**
 * What the replica needs from the world. The simulation gives it a clock, disk and network of its own; `main.ts`
 * gives it the real ones.
 */

/** Monotonic milliseconds and deferred work. */
export interface Clock {
  /** Milliseconds from an arbitrary origin, never going back; wall-clock changes do not move it. May be fractional. */
  nowMs(): number
  /** Runs `action` once after `delayMs`. */
  after(delayMs: number, action: () => void): Timer
  /** Runs `action` at the end of this turn of the event loop, after the input that is already there has been read. */
  soon(action: () => void): void
}

export interface Timer {
  cancel(): void
}

export interface RecoveredLog {
  readonly hardState: HardState
  /** Where the entries begin; undefined if nothing was ever compacted: they begin with index 1. */
  readonly start: LogStart | undefined
  /** Contiguous. */
  readonly entries: readonly Entry[]
}

/**
 * The log on the disk of one node. One write at a time: `write` is not called again before the last one settled.
 * A rejected write leaves the disk in an unknown state: the node stops.
 */
export interface LogStore {
  /** Everything that was written. Rejects with a `DamagedLogError` if any of it is missing or altered. */
  load(): Promise<RecoveredLog>
  /** Applies hard state, truncation and entries as one atomic change; resolves when it will survive a power cut. */
  write(write: Write): Promise<void>
  /**
   * Drops the entries up to `start.index`, whose effects are in a durable checkpoint. Resolves when that survives a power
   * cut. A `write` may be under way meanwhile; another `compact` may not.
   */
  compact(start: LogStart): Promise<void>
  close(): Promise<void>
}

/** Names one entry, and with it the whole log up to there: two logs that have it are the same up to it (Log Matching, §3.5). */
export interface LogPosition {
  readonly index: LogIndex
  readonly term: Term
}

/** What is as it was written on the disk of a node, sound or damaged, for a peer that has lost it: see `src/salvage`. */
export interface IntactParts {
  /**
   * The end of the log that ends with `last`, newest first, each entry as sealed on disk: down to the first that is not
   * here, or some 256 KiB. None if `last` is not here. Rejects if it can't be had.
   */
  logUpTo(last: LogPosition): Promise<readonly Uint8Array[]>
  /** The newest checkpoint that is whole, if there is one; to be closed. Rejects if it can't be had. */
  openCheckpoint(): Promise<SnapshotSource | undefined>
}

/** How a member has lost what it promised: with its disk, or by the return of an earlier copy of it. */
export type Loss = 'disk' | 'end_of_log'

/** A peer that has said so of this node. */
export interface Accuser {
  /** The number of the node. */
  readonly node: number
  readonly loss: Loss
  readonly reason: string
}

/** What a node must remember of its identity, beside its log, across restarts of any node. */
export interface IdentityFacts {
  /** The disk that `accusers` and `wasMember` are about. */
  readonly disk: number
  /** While there are any, the node is fenced off. */
  readonly accusers: readonly Accuser[]
  /** A committed configuration had this node as a member. */
  readonly wasMember: boolean
  /** Peers, and which disk each of them was on when it was first let in. */
  readonly met: readonly { readonly member: NodeId; readonly disk: number }[]
  /** Of the cluster; 0 if it is not known. */
  readonly incarnation: number
}

export interface IdentityStore {
  readonly facts: IdentityFacts
  /** `facts` are these at once; resolves when they are on disk. */
  save(facts: IdentityFacts): Promise<void>
}

/** What becomes of a node whose disk is damaged: see `src/repair` and `src/salvage`. */
export const DAMAGE_REMEDY =
  'this node must not vote on it: "lockkeeper serve" sets the directory aside and makes the node anew from the others in its file, or restores it with them if they are damaged too; a cluster of one is restored from a backup'

/** What was written is not what is there. The message names the key and the remedy. */
export class DamagedLogError extends Error {
  override readonly name = 'DamagedLogError'
}

/** A piece of a machine's state, encoded. */
export interface StateRecord {
  readonly key: string
  readonly value: Uint8Array
}

export interface RecordChange {
  readonly key: string
  /** Undefined: the record goes. */
  readonly value: Uint8Array | undefined
}

/** The checkpoints of the machine on the disk of one node: its records as of one point in the log. */
export interface RecordStore {
  /** The point of the newest checkpoint; undefined if there is none. Known once loaded. */
  start(): LogStart | undefined
  /**
   * Hands over the records of the newest checkpoint in batches, in any order. They are to be believed once it resolves,
   * and not before: only then all of them are known to be there. Rejects with a `DamagedRecordsError`.
   */
  load(take: (records: readonly StateRecord[]) => void): Promise<LogStart | undefined>
  /**
   * Begins a checkpoint of `start`, which is not before the newest. One at a time: it is written, or a peer's snapshot is
   * installed instead, or the store is closed.
   */
  begin(start: LogStart): CheckpointDraft
  /** A consistent view of the newest checkpoint, which there must be. Checkpoints may be written meanwhile. */
  openSnapshot(): Promise<SnapshotSource>
  /** A place for a peer's snapshot of `start`, beside the checkpoint in force. One at a time. */
  openStaging(start: LogStart): Promise<Staging>
}

/** A checkpoint as it comes together. Nothing of it is on disk yet. */
export interface CheckpointDraft {
  /** Changes to the newest checkpoint; some microseconds' work for each. */
  put(changes: readonly RecordChange[]): void
  /**
   * All that was put, as one atomic change; resolves when it will survive a power cut. The log up to its start must be
   * durable on this node's disk by now, not only committed. A rejected write leaves the store unusable: the node stops.
   */
  write(): Promise<void>
}

/** A snapshot on its way out. It breaks off, rejecting, when the node installs a snapshot of its own. */
export interface SnapshotSource {
  readonly start: LogStart
  /**
   * Chunks are numbered from 0. Any that was given before can be had again, and the next one. Rejects with a
   * `DamagedRecordsError`. Calls don't overlap.
   */
  chunk(sequence: number): Promise<SnapshotChunk>
  close(): Promise<void>
}

export interface SnapshotChunk {
  readonly sequence: number
  readonly isLast: boolean
  /** At most 256 KiB, or one record. Bears its number, what snapshot it is of, and a checksum. */
  readonly data: Uint8Array
}

/** A snapshot of the moment it was asked for, or a later one, and what its machine then said of itself. */
export interface Backup {
  readonly source: SnapshotSource
  /** The cluster's clock in ms. */
  readonly at: number
  /** The token of the next grant. */
  readonly nextToken: number
}

/** A snapshot on its way in. */
export interface Staging {
  readonly start: LogStart
  /** The chunk that is wanted; undefined when all of them are here. */
  readonly next: number | undefined
  /**
   * Resolves when the chunk is staged. A chunk that is not the next is passed over. Rejects with a `DamagedSnapshotError`
   * if it is altered or of another snapshot: ask for it again. Calls don't overlap.
   */
  put(data: Uint8Array): Promise<void>
  /**
   * Makes the staged checkpoint durable once all chunks are here. Rejects with a `DamagedSnapshotError` if any record is
   * missing.
   */
  complete(): Promise<void>
  /**
   * Hands over the records of the completed staging, as `RecordStore.load` does, and checks once more that all of them are
   * there. If not, the disk has failed; nothing in force is damaged.
   */
  load(take: (records: readonly StateRecord[]) => void): Promise<void>
  /** Removes what was staged. */
  abandon(): Promise<void>
}

/** What a checkpoint has is not what was written. The message says what was found and what to do. */
export class DamagedRecordsError extends Error {
  override readonly name = 'DamagedRecordsError'
}

/** A snapshot, or a chunk of one, is not what its sender says. */
export class DamagedSnapshotError extends Error {
  override readonly name = 'DamagedSnapshotError'
}

/** All that one node keeps: the log, and the checkpoint of what the log no longer has. */
export interface NodeDisk {
  readonly log: LogStore
  readonly records: RecordStore
  /**
   * Loads both and checks that they belong together; `take` as in `RecordStore.load`. Rejects with a `DamagedLogError` or
   * a `DamagedRecordsError`.
   */
  load(take: (records: readonly StateRecord[]) => void): Promise<RecoveredDisk>
  /**
   * Puts a staging that was completed and loaded in place of the checkpoint and of the whole log: after a crash at any
   * moment, either both are the old ones or both are the new ones. Nothing else may be under way.
   */
  install(staging: Staging): Promise<void>
  close(): Promise<void>
}

export interface RecoveredDisk extends RecoveredLog {
  /** The point of the checkpoint, within the log; undefined if there is none. */
  readonly checkpoint: LogStart | undefined
}

/**
 * Commands of one node on their way into the log, opaque until applied. The verdict of the k-th command goes to
 * whoever waits at `origin` for number `first + k`.
 */
export interface Chunk {
  /** The node whose clients asked. */
  readonly origin: NodeId
  /**
   * Number of the first command; numbers of one process are never used again by its successor. Negative in what a leader
   * put into its log by itself: such a chunk is never forwarded, and none that is forwarded looks like it.
   */
  readonly first: number
  readonly count: number
  /** See `payload.ts`. */
  readonly commands: Uint8Array
}

/** The leader of its term put it into the log by itself. */
export function isOfLeader({ first }: Chunk): boolean {
  return first < 0
}

export type PeerItem =
  | { readonly kind: 'raft'; readonly message: Message }
  /** Commands for the leader's log. May be lost or doubled: the origin repeats, the machine knows repeats. */
  | { readonly kind: 'forward'; readonly chunk: Chunk }
  | DigestItem
  | KeptItem
  | LowItem
  | SnapshotItem

/** What the machine of a node has said, all in all, up to this entry: see `divergence.ts`. May be lost. */
export interface DigestItem {
  readonly kind: 'digest'
  readonly index: LogIndex
  /** A whole number. */
  readonly digest: number
}

/** All that is committed up to this entry is on the sender's disk, for good: see `kept-entries.ts`. May be lost. */
export interface KeptItem {
  readonly kind: 'kept'
  readonly index: LogIndex
}

export type Resource = 'disk' | 'memory'

/** The sender has less of this than it keeps in reserve. Said again and again while it is so. */
export interface LowItem {
  readonly kind: 'low'
  readonly resource: Resource
  readonly freeBytes: number
  readonly reserveBytes: number
}

/** A checkpoint on its way to a peer. Each of these may be lost: the sender repeats its offer. */
export type SnapshotItem =
  | { readonly kind: 'snapshot_offer'; readonly start: LogStart }
  /** The receiver wants this chunk of the snapshot of `index` next; undefined: nothing more of it. */
  | { readonly kind: 'snapshot_want'; readonly index: LogIndex; readonly sequence: number | undefined }
  | { readonly kind: 'snapshot_chunk'; readonly index: LogIndex; readonly data: Uint8Array }

/** The peers. Delivery is at most once, in order while a stream lives; a lost item is Raft's to notice. */
export interface Transport {
  /** Never blocks. Drops the item if the peer can't be reached or its buffer is full. */
  send(to: NodeId, item: PeerItem): void
  /** Called once, before anything is delivered. */
  start(handlers: TransportHandlers): Promise<void>
  /** Ends the stream that this peer has opened, because of what it sent on it. It may open another. */
  closeInbound(peer: NodeId, reason: string): void
  /** Peers that can be reached at this moment. */
  connected(): ReadonlySet<NodeId>
  stop(): Promise<void>
}

export interface TransportHandlers {
  readonly onItem: (from: NodeId, item: PeerItem) => void
  readonly onConnected: (peer: NodeId) => void
  /** The stream to the peer's process broke. */
  readonly onDisconnected: (peer: NodeId) => void
}
