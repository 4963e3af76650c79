import { type LogIndex, membersOf, type NodeId } from '../../raft/index.js'
import { KEPT_SINCE } from '../machine/roster/feature-level.js'
import type { Clock, KeptItem, Transport } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'

export interface KeptEntriesParts {
  readonly self: NodeId
  readonly replica: Pick<Replica, 'status' | 'machine'>
  readonly transport: Pick<Transport, 'send'>
  readonly clock: Clock
}

/** Between two words to all. What comes after a pause is told at once. */
const WORD_EVERY_MS = 100

/**
 * Nodes tell each other up to which entry they have on disk what is committed. That is truncated in no term, so a node
 * whose log ends before it has come back with an earlier copy of its disk (fault 26). It can't notice that by itself, for what
 * it finds there fits together; who was told turns it away: see `rollback` in `hello.ts`.
 */
export class KeptEntries {
  readonly #parts: KeptEntriesParts
  readonly #byPeer = new Map<NodeId, LogIndex>()
  #told: LogIndex = 0
  #dueMs = Number.NEGATIVE_INFINITY

  constructor(parts: KeptEntriesParts) {
    this.#parts = parts
  }

  /** The most that each peer has told this process. */
  get byPeer(): ReadonlyMap<NodeId, LogIndex> {
    return this.#byPeer
  }

  /** From a peer; it may be old news. */
  told(from: NodeId, { index }: KeptItem): void {
    this.#byPeer.set(from, Math.max(index, this.#byPeer.get(from) ?? 0))
  }

  /** This node has it on disk up to here. To be called again and again, with or without news. */
  kept(index: LogIndex): void {
    const { self, replica, clock } = this.#parts
    if (index <= this.#told || replica.machine.level < KEPT_SINCE || clock.nowMs() < this.#dueMs) return
    this.#dueMs = clock.nowMs() + WORD_EVERY_MS
    this.#told = index
    for (const peer of membersOf(replica.status.config)) if (peer !== self) this.#tell(peer)
  }

  /** This peer may have been told nothing yet. */
  onConnected(peer: NodeId): void {
    if (this.#told > 0) this.#tell(peer)
  }

  #tell(peer: NodeId): void {
    this.#parts.transport.send(peer, { kind: 'kept', index: this.#told })
  }
}
