import { assert } from './assert.js'
import type { NodeView } from './invariants.js'
import type { Output } from './io.js'
import { isVoter } from './membership.js'
import type { Configuration, Entry, LogIndex, NodeId, Term } from './types.js'

/**
 * The four properties of figure 3.2 that need more than one node, and the two rules of chapter 4 that they rest on,
 * remembered over the whole life of a cluster: crashes, restarts, forgotten entries and all. Feed it every output of
 * every node; the cost is that of what is new.
 */
export class ClusterWitness {
  readonly #leaders = new Map<Term, NodeId>()
  /** By index, then term: the entry, and the term of the one before it. */
  readonly #entries: Map<Term, { readonly entry: Entry; readonly prevTerm: Term }>[] = []
  readonly #committed: Entry[] = []
  readonly #committedTerms = new Set<Term>()
  /** Per node: where its log began when last seen. */
  readonly #starts = new Map<NodeId, LogIndex>()

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
    this.#checkStart(node)
    if (node.role !== 'leader') return
    this.#checkLeader(node)
    for (const entry of output.write?.entries ?? []) this.#checkChange(node, entry)
  }

  /** Log matching: an index and a term name one entry, and by induction all that come before it. */
  #checkMatching(node: NodeView, entry: Entry): void {
    const prev = entry.index - 1
    if (prev < node.start.index) return
    const prevTerm = prev === node.start.index ? node.start.term : node.entryAt(prev)!.term
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
    this.#committedTerms.add(entry.term)
    const known = this.#committed[entry.index - 1]!
    assert(isSame(known, entry), 'state-machine safety', { id, known, entry })
  }

  /** What a log has forgotten was committed, and it remembers rightly who the members were. */
  #checkStart({ id, start }: NodeView): void {
    if (this.#starts.get(id) === start.index) return
    this.#starts.set(id, start.index)
    const forgotten = this.#committed.slice(0, start.index)
    assert(forgotten.length === start.index, 'only what is committed is forgotten', { id, start })
    assert((forgotten.at(-1)?.term ?? 0) === start.term, 'a log begins after a committed entry', {
      id,
      start,
    })
    const config = forgotten.filter((entry) => entry.config !== undefined).at(-1)?.config
    assert(config === undefined || isSameConfiguration(config, start.config), 'members are remembered', {
      id,
      start,
      config,
    })
  }

  /** §4.1: a leader begins one change at a time, once an entry of its term is committed, and from shared majorities. */
  #checkChange(node: NodeView, { index, term, config }: Entry): void {
    if (config === undefined) return
    const figures = { id: node.id, index, config }
    assert(
      this.#committedTerms.has(term),
      'no change of members before an entry of the term is committed',
      figures,
    )
    let prev = index - 1
    while (prev > node.start.index && node.entryAt(prev)!.config === undefined) prev--
    assert(prev <= this.#committed.length, 'one change of members at a time', { ...figures, prev })
    const before = prev > node.start.index ? node.entryAt(prev)!.config! : node.start.config
    assert(shareMajorities(before, config), 'majorities of a change meet', { ...figures, before })
  }

  /** Election safety, and leader completeness when the leader is new. */
  #checkLeader(node: NodeView): void {
    const { id, term } = node
    const known = this.#leaders.get(term)
    assert(known === undefined || known === id, 'election safety', { term, leaders: [known, id] })
    if (known === id) return
    this.#leaders.set(term, id)
    const mayVote = isVoter(node.config, id) || node.configIndex > node.commitIndex
    assert(mayVote, 'a leader is a voter, or on its way out', { id, term, config: node.config })
    for (const entry of this.#committed) {
      if (entry.term > term) return
      if (entry.index <= node.start.index) continue
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
  const sameMembers =
    a.config === b.config ||
    (a.config !== undefined && b.config !== undefined && isSameConfiguration(a.config, b.config))
  return a.index === b.index && a.term === b.term && sameBytes && sameMembers
}

function isSameConfiguration(a: Configuration, b: Configuration): boolean {
  return (
    isSameSet(a.voters, b.voters) && isSameSet(a.outgoing, b.outgoing) && isSameSet(a.learners, b.learners)
  )
}

/** Two majorities of one set meet, so it is enough that one set has to agree to the decisions of both. */
function shareMajorities(a: Configuration, b: Configuration): boolean {
  const sets = [b.voters, b.outgoing].filter((ids) => ids.length > 0)
  return sets.some((ids) => isSameSet(ids, a.voters) || isSameSet(ids, a.outgoing))
}

function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id))
}
