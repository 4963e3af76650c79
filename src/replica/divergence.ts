import { type Configuration, type LogIndex, membersOf, type NodeId, reached } from '../../raft/index.js'
import type { DigestItem } from './ports.js'

/**
 * Of cluster time. The log tells the time, so all nodes note the same entries without a word about which; the cost is
 * bounded however many entries there are, and there is none without any.
 */
const INTERVAL_MS = 1_000
/** Notes kept of each node: a minute of activity that one may lag behind another. */
const NOTES_MAX = 64

/** A peer that applied the same log differs, and no majority is with it; whether one is with this node is left open. */
export interface Difference {
  readonly index: LogIndex
  readonly digest: number
  readonly peer: NodeId
  readonly peerDigest: number
}

/** The machine of this node has parted from that of a majority (fault 13): nothing it says can be trusted. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError'

  constructor(
    readonly index: LogIndex,
    readonly digest: number,
    readonly majorityDigest: number,
  ) {
    super(
      `this node has diverged: after entry ${index} its digest is ${digest}, and that of a majority is ${majorityDigest}; never start it on this data directory again, which is to be kept for a report: restore the node from its peers by starting it with an empty data directory under a new id`,
    )
  }
}

export interface DivergenceSurroundings {
  readonly self: NodeId
  readonly members: () => Configuration
  readonly send: (to: NodeId, item: DigestItem) => void
  /** Once for each peer, until it agrees again. */
  readonly onDifference: (difference: Difference) => void
}

/**
 * Compares what the machines of all nodes have said, at the first entry of each second of the cluster's clock. The digest
 * runs on, so one comparison finds whatever happened before it, and a lost item costs nothing but time.
 */
export class DivergenceDetector {
  readonly #surroundings: DivergenceSurroundings
  readonly #notes = new Map<NodeId, Map<LogIndex, number>>()
  readonly #differing = new Set<NodeId>()

  constructor(surroundings: DivergenceSurroundings) {
    this.#surroundings = surroundings
  }

  /**
   * The entry at `index` has taken the machine from cluster time `from` to `to`. Throws a `DivergedError` if a majority has
   * told otherwise already.
   */
  applied(index: LogIndex, from: number, to: number, digest: number): void {
    if (Math.floor(from / INTERVAL_MS) === Math.floor(to / INTERVAL_MS)) return
    const { self, members, send } = this.#surroundings
    this.#note(self, index, digest)
    for (const peer of membersOf(members())) if (peer !== self) send(peer, { kind: 'digest', index, digest })
    this.#compare(index, digest)
  }

  /** From a peer, which may be ahead or behind. Throws a `DivergedError` if that makes a majority against this node. */
  told(from: NodeId, { index, digest }: DigestItem): void {
    this.#note(from, index, digest)
    const own = this.#noteOf(this.#surroundings.self, index)
    if (own !== undefined) this.#compare(index, own)
  }

  /** The machine is another now: what the one before it said is of no account. */
  restored(): void {
    this.#notes.delete(this.#surroundings.self)
  }

  #compare(index: LogIndex, digest: number): void {
    const peers = [...this.#notes.keys()].filter((peer) => peer !== this.#surroundings.self)
    for (const peer of peers) {
      const peerDigest = this.#noteOf(peer, index)
      if (peerDigest === digest) this.#differing.delete(peer)
      else if (peerDigest !== undefined) this.#differs({ index, digest, peer, peerDigest })
    }
  }

  #differs(difference: Difference): void {
    const { index, digest, peer, peerDigest } = difference
    if (this.#isOfMajority(index, peerDigest)) throw new DivergedError(index, digest, peerDigest)
    if (this.#differing.has(peer)) return
    this.#differing.add(peer)
    this.#surroundings.onDifference(difference)
  }

  #isOfMajority(index: LogIndex, digest: number): boolean {
    const members = this.#surroundings.members()
    const says = (voter: NodeId): number => (this.#noteOf(voter, index) === digest ? 1 : 0)
    return members.voters.length > 0 && reached(members, says) === 1
  }

  #note(node: NodeId, index: LogIndex, digest: number): void {
    const notes = this.#notes.get(node) ?? new Map<LogIndex, number>()
    this.#notes.set(node, notes)
    notes.set(index, digest)
    if (notes.size > NOTES_MAX) notes.delete(notes.keys().next().value!)
  }

  #noteOf(node: NodeId, index: LogIndex): number | undefined {
    return this.#notes.get(node)?.get(index)
  }
}
