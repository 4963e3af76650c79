import { assert } from './assert.js'
import type { Output } from './io.js'
import { type Entry, type LogIndex, NOBODY, type NodeId, type Role, type Term } from './types.js'

/** A node seen from outside. Figures are of one moment; `entryAt` always looks at the log as it is. */
export interface NodeView {
  readonly id: NodeId
  readonly role: Role
  readonly term: Term
  readonly vote: NodeId
  readonly leader: NodeId
  readonly commitIndex: LogIndex
  readonly persistedIndex: LogIndex
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  readonly entryAt: (index: LogIndex) => Entry | undefined
}

/** What holds in every state of a node. Cheap: checked in production after every step. */
export function checkState(node: NodeView): void {
  assert(node.commitIndex <= node.lastIndex, 'what is committed is in the log', node)
  assert(node.persistedIndex <= node.lastIndex, 'what is persisted is in the log', node)
  assert(node.lastTerm <= node.term, 'no entry is of a later term than the node', node)
  if (node.role !== 'leader') return
  assert(node.vote === node.id, 'a leader voted for itself', node)
  assert(node.leader === node.id, 'a leader knows who leads', node)
  assert(node.lastTerm === node.term, 'a leader has an entry of its own term', node)
}

/** What holds between two states of a node, the second later than the first. Cheap, too. */
export function checkTransition(before: NodeView, after: NodeView): void {
  const figures = { before, after }
  assert(after.term >= before.term, 'terms only grow', figures)
  assert(after.commitIndex >= before.commitIndex, 'what is committed stays committed', figures)
  if (after.term !== before.term) return
  assert(before.vote === NOBODY || after.vote === before.vote, 'one vote per term', figures)
  const twoLeaders = before.leader !== NOBODY && after.leader !== NOBODY && before.leader !== after.leader
  assert(!twoLeaders, 'one leader per term', figures)
  if (before.role !== 'leader') return
  assert(after.role !== 'leader' || after.lastIndex >= before.lastIndex, 'a leader only appends', figures)
}

/** The whole log, entry by entry: for tests and simulation. */
export function checkLog(node: NodeView): void {
  let term = 0
  for (let index = 1; index <= node.lastIndex; index++) {
    const entry = node.entryAt(index)
    assert(entry?.index === index, 'the log has no hole', { id: node.id, index })
    assert(entry.term >= term, 'terms never decrease along the log', { id: node.id, index })
    term = entry.term
  }
}

/**
 * The four properties of figure 3.2 that need more than one node, remembered over the whole life of a cluster:
 * crashes, restarts and all. Feed it every output of every node; the cost is that of what is new.
 */
export class ClusterWitness {
  readonly #leaders = new Map<Term, NodeId>()
  /** By index, then term: the entry, and the term of the one before it. */
  readonly #entries: Map<Term, { readonly entry: Entry; readonly prevTerm: Term }>[] = []
  readonly #committed: Entry[] = []

  /** Everything committed so far anywhere: index 1 first. */
  get committed(): readonly Entry[] {
    return this.#committed
  }

  observe(node: NodeView, output: Output): void {
    // A leader's own entry may yet be lost with it and its place taken by another, as long as nobody else has seen it.
    if (node.role !== 'leader')
      for (const entry of output.write?.entries ?? []) this.#checkMatching(node, entry)
    for (const entry of output.committed) {
      this.#checkMatching(node, entry)
      this.#checkCommitted(node, entry)
    }
    if (node.role === 'leader') this.#checkLeader(node)
  }

  /** Log matching: an index and a term name one entry, and by induction all that come before it. */
  #checkMatching(node: NodeView, entry: Entry): void {
    const prevTerm = entry.index === 1 ? 0 : node.entryAt(entry.index - 1)!.term
    let terms = this.#entries[entry.index]
    if (terms === undefined) this.#entries[entry.index] = terms = new Map()
    const known = terms.get(entry.term)
    if (known === undefined) terms.set(entry.term, { entry, prevTerm })
    else
      assert(isSame(known.entry, entry) && known.prevTerm === prevTerm, 'log matching', {
        id: node.id,
        ...entry,
      })
  }

  /** State-machine safety: no two nodes commit different entries at an index. */
  #checkCommitted(node: NodeView, entry: Entry): void {
    const { id } = node
    assert(entry.index <= this.#committed.length + 1, 'commits without a hole', { id, entry })
    if (entry.index > this.#committed.length) this.#committed.push(entry)
    const known = this.#committed[entry.index - 1]!
    assert(isSame(known, entry), 'state-machine safety', { id, known, entry })
  }

  /** Election safety, and leader completeness when the leader is new. */
  #checkLeader(node: NodeView): void {
    const { id, term } = node
    const known = this.#leaders.get(term)
    assert(known === undefined || known === id, 'election safety', { term, leaders: [known, id] })
    if (known === id) return
    this.#leaders.set(term, id)
    for (const entry of this.#committed) {
      if (entry.term > term) return
      const own = node.entryAt(entry.index)
      assert(own !== undefined && isSame(own, entry), 'leader completeness', {
        id,
        term,
        missing: entry.index,
      })
    }
  }
}

function isSame(a: Entry, b: Entry): boolean {
  if (a === b) return true
  const sameBytes =
    a.payload.length === b.payload.length && a.payload.every((byte, i) => byte === b.payload[i])
  return a.index === b.index && a.term === b.term && sameBytes
}
