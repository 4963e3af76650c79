import type { Entry, HardState, Message, NodeId, Write } from '../../raft/index.js'

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
  /** Contiguous from index 1. */
  readonly entries: readonly Entry[]
}

/**
 * The disk of one node. One write at a time: `write` is not called again before the last one settled.
 * A rejected write leaves the disk in an unknown state: the node stops.
 */
export interface LogStore {
  /** Everything that was written. Rejects with a `DamagedLogError` if any of it is missing or altered. */
  load(): Promise<RecoveredLog>
  /** Applies hard state, truncation and entries as one atomic change; resolves when it will survive a power cut. */
  write(write: Write): Promise<void>
  close(): Promise<void>
}

/** What was written is not what is there. The message names the key and the remedy. */
export class DamagedLogError extends Error {
  override readonly name = 'DamagedLogError'
}

/**
 * Commands of one node on their way into the log, opaque until applied. The verdict of the k-th command goes to
 * whoever waits at `origin` for number `first + k`.
 */
export interface Chunk {
  /** The node whose clients asked. */
  readonly origin: NodeId
  /** Number of the first command; numbers of one process are never used again by its successor. */
  readonly first: number
  readonly count: number
  /** See `payload.ts`. */
  readonly commands: Uint8Array
}

export type PeerItem =
  | { readonly kind: 'raft'; readonly message: Message }
  /** Commands for the leader's log. May be lost or doubled: the origin repeats, the machine knows repeats. */
  | { readonly kind: 'forward'; readonly chunk: Chunk }

/** The peers. Delivery is at most once, in order while a stream lives; a lost item is Raft's to notice. */
export interface Transport {
  /** Never blocks. Drops the item if the peer can't be reached or its buffer is full. */
  send(to: NodeId, item: PeerItem): void
  /** Called once, before anything is delivered. */
  start(handlers: TransportHandlers): Promise<void>
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
