import { reachedByMajority } from './quorum.js'
import {
  type Configuration,
  type LogIndex,
  type LogStart,
  type Members,
  NOBODY,
  type NodeId,
} from './types.js'

/** Before a joining node has been told anything. It waits, and answers. */
export const NO_MEMBERS: Configuration = Object.freeze({ voters: [], outgoing: [], learners: [] })

/** §4.3: on the way from one set of voters to another. */
export function isJoint(config: Configuration): boolean {
  return config.outgoing.length > 0
}

export function isVoter({ voters, outgoing }: Configuration, id: NodeId): boolean {
  return voters.includes(id) || outgoing.includes(id)
}

/** Everybody whose vote counts, each once. */
export function votersOf({ voters, outgoing }: Configuration): NodeId[] {
  return [...new Set([...voters, ...outgoing])]
}

/** Everybody who gets the log, each once. */
export function membersOf({ voters, outgoing, learners }: Configuration): NodeId[] {
  return [...new Set([...voters, ...outgoing, ...learners])]
}

/** The first step from `current` to `target`: all of it if the voters stay, else the joint configuration (§4.3). */
export function towards(current: Configuration, { voters, learners }: Members): Configuration {
  const sameVoters =
    voters.length === current.voters.length && voters.every((id) => current.voters.includes(id))
  return { voters, outgoing: sameVoters ? [] : current.voters, learners }
}

/** Where a joint configuration leads. */
export function settled({ voters, learners }: Configuration): Configuration {
  return { voters, outgoing: [], learners }
}

/**
 * The greatest value that a majority of the voters has reached; in a joint configuration, a majority of the old and one
 * of the new voters, each by itself. Needs a voter.
 */
export function reached({ voters, outgoing }: Configuration, figureOf: (voter: NodeId) => number): number {
  const byVoters = reachedByMajority(voters.map(figureOf))
  return outgoing.length === 0 ? byVoters : Math.min(byVoters, reachedByMajority(outgoing.map(figureOf)))
}

/** Whether this can be a configuration: somebody votes, nobody is named twice, no voter is a learner as well. */
export function isSane({ voters, outgoing, learners }: Configuration): boolean {
  const sets = [voters, outgoing, learners]
  if (!sets.every((ids) => Array.isArray(ids) && ids.every(isNodeId) && new Set(ids).size === ids.length))
    return false
  return voters.length > 0 && !voters.some((id) => learners.includes(id))
}

export function isNodeId(id: NodeId): boolean {
  return Number.isSafeInteger(id) && id > NOBODY
}

interface InForce {
  /** Of the entry that brought it; where the log starts, if that was forgotten. */
  readonly index: LogIndex
  readonly config: Configuration
}

/** The configurations in a log. The newest is in force, committed or not (§4.1); truncation brings back the one before. */
export class ConfigurationHistory {
  /** Oldest first: the one in force where the log starts, then those of its entries. */
  #known: InForce[]

  constructor(start: LogStart) {
    this.#known = [start]
  }

  get newest(): InForce {
    return this.#known[this.#known.length - 1]!
  }

  /** The one in force at this index, which is not before the start of the log. */
  at(index: LogIndex): Configuration {
    return this.#known.filter((known) => known.index <= index).at(-1)!.config
  }

  /** Those that are or may be in force, as long as nobody knows more than that this index is committed. */
  since(commitIndex: LogIndex): Configuration[] {
    const later = this.#known.filter((known) => known.index > commitIndex).map(({ config }) => config)
    return [this.at(commitIndex), ...later]
  }

  append(index: LogIndex, config: Configuration): void {
    this.#known.push({ index, config })
  }

  /** The entries from here on are gone. */
  truncated(from: LogIndex): void {
    this.#known = this.#known.filter((known) => known.index < from)
  }

  /** The log is empty from `start` on. */
  restored(start: LogStart): void {
    this.#known = [start]
  }

  /** The log starts at `start`, and what came before is forgotten. */
  compacted(start: LogStart): void {
    this.#known = [start, ...this.#known.filter((known) => known.index > start.index)]
  }
}
