import type { FollowerProgress, LogIndex, LogStart, NodeId, RaftNode } from '../../raft/index.js'

/** So much of the log stays behind a checkpoint, in intervals: a follower that restarts needs no snapshot. */
const WINDOW_INTERVALS = 8
/** And so much at most, although followers that get on, or are sent a snapshot, will need more. */
const WINDOW_INTERVALS_MAX = 64

export interface LogWindowParts {
  readonly raft: Pick<RaftNode, 'startAt' | 'lastBefore'>
  /** Of entries applied between the beginnings of two checkpoints. */
  readonly intervalBytes: number
  /** Who is being sent entries; none if this node does not lead. */
  readonly followers: () => readonly FollowerProgress[]
  /** Whoever is being sent a snapshot will need the log from after this entry on. Infinity: nobody is. */
  readonly oldestSnapshot: () => LogIndex
}

interface Seen {
  readonly match: LogIndex
  /** The checkpoint at which it was seen to have got so far. */
  readonly since: LogIndex
}

/**
 * How much of the log stays behind a checkpoint: a window, and what followers have yet to get, as long as they get on. Cut
 * sooner, one that comes from a snapshot over a slow link would need another one, and another.
 */
export class LogWindow {
  readonly #parts: LogWindowParts
  /** How far each follower is, as of the last checkpoint. */
  #seen: ReadonlyMap<NodeId, Seen> = new Map()

  constructor(parts: LogWindowParts) {
    this.#parts = parts
  }

  /** Where the log is to begin, now that there is a checkpoint at `index`; undefined: where it does. */
  startFor(index: LogIndex): LogStart | undefined {
    const { raft, intervalBytes, oldestSnapshot } = this.#parts
    const leaving = (intervals: number): LogIndex => raft.lastBefore(index, intervals * intervalBytes)
    const window = leaving(WINDOW_INTERVALS)
    this.#look(index)
    // One that has got nothing for a whole window, because its disk has stalled, say, holds on to nothing.
    const matches = [...this.#seen.values()].filter(({ since }) => since > window).map(({ match }) => match)
    const unneeded = Math.min(window, oldestSnapshot(), ...matches)
    const last = Math.max(unneeded, leaving(WINDOW_INTERVALS_MAX))
    return last === leaving(Number.POSITIVE_INFINITY) ? undefined : raft.startAt(last)
  }

  #look(index: LogIndex): void {
    const before = this.#seen
    const seen = this.#parts.followers().map(({ id, match }): [NodeId, Seen] => {
      const known = before.get(id)
      return [id, known?.match === match ? known : { match, since: index }]
    })
    this.#seen = new Map(seen)
  }
}
