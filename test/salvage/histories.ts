import type { LogIndex, NodeId, Term } from '../../raft/index.js'

/** What is known of one node. Its log is that of all terms from entry 1 on, though its disk may begin later. */
export interface NodeLog {
  readonly id: NodeId
  term: Term
  /** Term of each entry, from index 1 on. */
  log: Term[]
  /** The newest checkpoint; the disk may still have what came before. */
  checkpoint: LogIndex
  /** Entries up to here are no more. */
  cutAt: LogIndex
  /** The terms of what was truncated, and of what stood before it: a disk may still have it somewhere. */
  readonly truncated: Map<
    string,
    { readonly index: LogIndex; readonly term: Term; readonly previousTerm: Term }
  >
}

/** One step of a history, by four numbers at random. */
export type Step = readonly [kind: number, who: number, whom: number, amount: number]

/**
 * A cluster by the letter of the Raft paper, as dumb as can be: whole logs, nothing in flight. It makes histories with
 * several leaders, tails that were never committed, truncations, checkpoints and snapshots.
 */
export class History {
  readonly nodes: readonly NodeLog[]
  /** Terms of the committed entries. */
  committed: readonly Term[] = []
  readonly #leaders = new Map<Term, NodeLog>()

  constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, k) => ({
      id: k + 1,
      term: 0,
      log: [],
      checkpoint: 0,
      cutAt: 0,
      truncated: new Map(),
    }))
  }

  step([kind, who, whom, amount]: Step): void {
    const node = this.#node(who)
    switch (kind % 10) {
      case 0:
        return this.#elect(node, whom)
      case 1:
      case 2:
        if (this.#leads(node)) for (let k = 0; k <= amount % 3; k++) node.log.push(node.term)
        return
      case 8:
        return this.#checkpoint(node, amount)
      case 9:
        node.cutAt = Math.max(node.cutAt, Math.min(node.checkpoint, amount))
        return
      default:
        if (this.#leads(node)) this.#replicate(node, this.#node(whom), amount)
    }
  }

  isMajority(nodes: readonly unknown[]): boolean {
    return nodes.length > this.nodes.length / 2
  }

  #node(k: number): NodeLog {
    return this.nodes[k % this.nodes.length]!
  }

  #leads(node: NodeLog): boolean {
    return this.#leaders.get(node.term) === node
  }

  /** Those whose bits are set vote, unless they know better. */
  #elect(candidate: NodeLog, bits: number): void {
    const asked = this.nodes.filter(({ id }) => id === candidate.id || ((bits >> id) & 1) === 1)
    const term = Math.max(...asked.map((node) => node.term)) + 1
    if (this.#leaders.has(term)) return
    const votes = asked.filter((node) => isUpToDate(candidate.log, node.log))
    if (!this.isMajority(votes)) return
    for (const node of asked) node.term = term
    this.#leaders.set(term, candidate)
    candidate.log.push(term)
  }

  #replicate(leader: NodeLog, follower: NodeLog, amount: number): void {
    if (follower === leader || follower.term > leader.term) return
    follower.term = leader.term
    let same = 0
    while (same < follower.log.length && follower.log[same] === leader.log[same]) same++
    if (same < leader.cutAt) {
      // What it lacks the leader no longer has: it is given the checkpoint.
      follower.log = leader.log.slice(0, leader.checkpoint)
      follower.checkpoint = leader.checkpoint
      follower.cutAt = leader.checkpoint
    } else {
      const sent = leader.log.slice(0, Math.min(leader.log.length, same + 1 + (amount % 4)))
      if (sent.length > same) this.#append(follower, sent, same)
    }
    this.#commit(leader)
  }

  #append(follower: NodeLog, log: Term[], same: number): void {
    for (const [k, term] of follower.log.entries()) {
      if (k < same) continue
      const previousTerm = follower.log[k - 1] ?? 0
      follower.truncated.set(`${k + 1}/${term}`, { index: k + 1, term, previousTerm })
    }
    follower.log = log
  }

  /** Only by an entry of the leader's own term (figure 8). */
  #commit(leader: NodeLog): void {
    for (let index = leader.log.length; index > this.committed.length; index--) {
      if (leader.log[index - 1] !== leader.term) return
      const have = this.nodes.filter(({ log }) => log[index - 1] === leader.term)
      if (!this.isMajority(have)) continue
      this.committed = leader.log.slice(0, index)
      return
    }
  }

  #checkpoint(node: NodeLog, amount: number): void {
    let applied = 0
    while (applied < this.committed.length && node.log[applied] === this.committed[applied]) applied++
    node.checkpoint = Math.max(node.checkpoint, Math.min(applied, amount))
  }
}

/** §3.6.1: whether a log is at least as good as another. */
export function isUpToDate(log: readonly Term[], other: readonly Term[]): boolean {
  const [term, otherTerm] = [log.at(-1) ?? 0, other.at(-1) ?? 0]
  return term > otherTerm || (term === otherTerm && log.length >= other.length)
}
