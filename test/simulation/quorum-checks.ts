import {
  type Configuration,
  type Entry,
  NOBODY,
  type NodeId,
  type NodeView,
  type Output,
  type Term,
} from '../../raft/index.js'
import type { MemoryDisk } from '../suites/memory-disk.js'
import type { History } from './history.js'

type DiskContents = Pick<MemoryDisk, 'start' | 'entries'>

/** How far behind who gets a vote may be: what the product allows, and what may come while it decides. */
const BEHIND_MAX = 256 + 64

/**
 * Who decided, counted by the disks and votes of those who may: a leader has the votes of a majority, and what it commits is
 * on the disks of one; of both sets while the members change, and whatever learners, strangers and those who were
 * removed may say. Who is given a vote has the log.
 */
export class QuorumChecks {
  readonly #diskOf: (id: NodeId) => DiskContents
  readonly #hasLost: (id: NodeId) => boolean
  readonly #history: History
  readonly #votes = new Map<Term, Map<NodeId, NodeId>>()
  readonly #elected = new Set<Term>()
  /** Who have or had a vote. */
  readonly #enfranchised: Set<NodeId>

  /** `diskOf`: with what it had, if it has lost that; `hasLost`: its votes count no more. */
  constructor(
    founders: readonly NodeId[],
    diskOf: (id: NodeId) => DiskContents,
    hasLost: (id: NodeId) => boolean,
    history: History,
  ) {
    this.#enfranchised = new Set(founders)
    this.#diskOf = diskOf
    this.#hasLost = hasLost
    this.#history = history
  }

  stepped(view: NodeView, { write, committed, sendAfterWrite }: Output): void {
    if (write?.hardState !== undefined) this.#voted(view.id, write.hardState)
    // A step may give a vote and go on to the next term: what is written then bars any other vote as well.
    for (const { to, message } of sendAfterWrite) {
      if (message.kind === 'vote_result' && message.granted && !message.pre)
        this.#voted(view.id, { term: message.term, vote: to })
    }
    if (view.role !== 'leader') return
    if (!this.#elected.has(view.term)) this.#checkElected(view)
    if (committed.length > 0) this.#checkCommitted(view, committed)
    for (const entry of write?.entries ?? []) this.#checkEnfranchised(view, entry)
  }

  #voted(id: NodeId, { term, vote }: { readonly term: Term; readonly vote: NodeId }): void {
    if (vote === NOBODY || this.#hasLost(id)) return
    const votes = this.#votes.get(term) ?? new Map<NodeId, NodeId>()
    this.#votes.set(term, votes.set(id, vote))
  }

  #checkElected({ id, term, config }: NodeView): void {
    this.#elected.add(term)
    const votes = this.#votes.get(term)
    for (const voters of [config.voters, config.outgoing])
      if (!isMajority(voters, (voter) => votes?.get(voter) === id))
        this.#history.broken('election safety: a leader without the votes of a majority', {
          id,
          term,
          config,
          votes: [...(votes ?? [])],
        })
  }

  /** What a leader finds committed by itself, by an entry of its term. A step that commits a change may go on to the next. */
  #checkCommitted({ id, term, config }: NodeView, committed: readonly Entry[]): void {
    const newest = committed.at(-1)!
    if (newest.term !== term) return
    this.#checkOnDisks(id, newest, config)
    for (const entry of committed) if (entry.config !== undefined) this.#checkOnDisks(id, entry, entry.config)
  }

  #checkOnDisks(leader: NodeId, entry: Entry, config: Configuration): void {
    for (const voters of [config.voters, config.outgoing])
      if (!isMajority(voters, (voter) => isOn(this.#diskOf(voter), entry)))
        this.#history.broken('P8 durability: committed without being on the disks of a majority', {
          leader,
          index: entry.index,
          config,
        })
  }

  #checkEnfranchised({ id, lastIndex }: NodeView, { config }: Entry): void {
    for (const voter of config?.voters ?? []) {
      if (this.#enfranchised.has(voter)) continue
      this.#enfranchised.add(voter)
      const { start, entries } = this.#diskOf(voter)
      const has = (start?.index ?? 0) + entries.length
      if (has === 0 || has < lastIndex - BEHIND_MAX)
        this.#history.broken('P10 availability: a vote for a node that has yet to catch up', {
          id,
          voter,
          has,
          lastIndex,
        })
    }
  }
}

/** Of nobody, everybody. */
function isMajority(ids: readonly NodeId[], which: (id: NodeId) => boolean): boolean {
  return ids.length === 0 || ids.filter(which).length > ids.length / 2
}

/** What a log has forgotten was committed before. */
export function isOn({ start, entries }: DiskContents, { index, term }: Entry): boolean {
  const place = index - (start?.index ?? 0) - 1
  return place < 0 || entries[place]?.term === term
}
