import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ClusterWitness,
  checkLog,
  checkState,
  checkTransition,
  type Entry,
  type LogStart,
  type NodeView,
} from '../../raft/index.js'
import { entry, nodeOne, voting } from './one-node.js'

/** A sound leader of term 2, with the log 1/1 2/2. */
function view(changes: Partial<NodeView> = {}, log: Entry[] = [entry(1, 1), entry(2, 2)]): NodeView {
  const figures = {
    start: { index: 0, term: 0, config: voting(1, 2, 3) },
    config: voting(1, 2, 3),
    configIndex: 0,
    term: 2,
    vote: 1,
    leader: 1,
    commitIndex: 1,
    persistedIndex: 2,
    lastIndex: 2,
    lastTerm: 2,
  }
  return { id: 1, role: 'leader', ...figures, entryAt: (index) => log[index - 1], ...changes }
}

const committing = (...committed: Entry[]) => ({ ...nodeOne().step([]), committed })

describe('the invariants bite: each is broken once', () => {
  it('of a state', () => {
    checkState(view())
    assert.throws(() => checkState(view({ commitIndex: 3 })), /committed is in the log/)
    assert.throws(() => checkState(view({ start: start(2, 2) })), /only what is committed is forgotten/)
    assert.throws(() => checkState(view({ persistedIndex: 3 })), /persisted is in the log/)
    assert.throws(() => checkState(view({ lastTerm: 3 })), /later term than the node/)
    assert.throws(() => checkState(view({ vote: 2 })), /voted for itself/)
    assert.throws(() => checkState(view({ leader: 2 })), /knows who leads/)
    assert.throws(() => checkState(view({ lastTerm: 1 })), /entry of its own term/)
  })

  it('of a transition', () => {
    checkTransition(view(), view())
    assert.throws(() => checkTransition(view(), view({ term: 1 })), /terms only grow/)
    assert.throws(() => checkTransition(view(), view({ commitIndex: 0 })), /stays committed/)
    assert.throws(() => checkTransition(view(), view({ vote: 2 })), /one vote per term/)
    assert.throws(() => checkTransition(view(), view({ leader: 2 })), /one leader per term/)
    assert.throws(() => checkTransition(view(), view({ lastIndex: 1 })), /only appends/)
    const later = view({ start: start(1, 1) })
    assert.throws(() => checkTransition(later, view()), /forgotten stays forgotten/)
    const changing = view({ configIndex: 2, commitIndex: 1 })
    checkTransition(changing, view({ configIndex: 3, commitIndex: 2, lastIndex: 3 }))
    assert.throws(() => checkTransition(changing, view({ configIndex: 3, lastIndex: 3 })), /one before/)
  })

  it('of a log', () => {
    checkLog(view())
    assert.throws(() => checkLog(view({}, [entry(1, 2), entry(2, 1)])), /never decrease/)
    assert.throws(() => checkLog(view({}, [entry(1, 1), entry(3, 2)])), /no hole/)
    checkLog(view({ start: start(2, 2) }, []))
    assert.throws(() => checkLog(view({ start: start(1, 3) })), /never decrease/)
  })

  it('of a cluster (fault 2)', () => {
    const witness = new ClusterWitness()
    witness.observe(view(), committing(entry(1, 1), entry(2, 2)))
    assert.deepEqual(witness.committed, [entry(1, 1), entry(2, 2)])
    const follower = { role: 'follower' } as const
    const observe = (node: NodeView, ...committed: Entry[]) => witness.observe(node, committing(...committed))
    assert.throws(() => observe(view({ id: 2 })), /election safety/)
    assert.throws(() => observe(view({ id: 2, term: 3 }, [entry(1, 1)])), /leader completeness/)
    assert.throws(() => observe(view(follower, [entry(1, 2)]), entry(1, 2)), /state-machine safety/)
    assert.throws(() => observe(view(follower), entry(2, 2, 9)), /log matching/)
    assert.throws(() => observe(view({ ...follower, lastIndex: 4 }, log(4)), entry(4, 2)), /without a hole/)
  })
})

describe('the rules of changing members bite (faults 14, 15)', () => {
  const changed = (index: number, term: number, ...voters: number[]): Entry => ({
    ...entry(index, term),
    config: voting(...voters),
  })
  const appending = (...entries: Entry[]) => ({
    ...nodeOne().step([]),
    write: { id: 1, hardState: undefined, truncateFrom: undefined, entries },
  })
  const leader = (log: Entry[]) => view({ lastIndex: log.length }, log)
  const sound = [entry(1, 1), entry(2, 2)]

  function witness(...committed: Entry[]): ClusterWitness {
    const witness = new ClusterWitness()
    witness.observe(view({ role: 'follower' }, committed), committing(...committed))
    return witness
  }

  it('a change begins after an entry of the term, one at a time, and keeps a set of voters', () => {
    const joint = { ...changed(3, 2), config: { voters: [4], outgoing: [1, 2, 3], learners: [] } }
    witness(...sound).observe(leader([...sound, joint]), appending(joint))
    const rash = [entry(1, 1), joint]
    assert.throws(() => witness(entry(1, 1)).observe(leader(rash), appending(joint)), /entry of the term/)
    const second = { ...joint, index: 4, config: voting(4) }
    const both = leader([...sound, joint, second])
    assert.throws(() => witness(...sound).observe(both, appending(second)), /one change of members/)
    const bold = changed(3, 2, 3, 4)
    assert.throws(() => witness(...sound).observe(leader([...sound, bold]), appending(bold)), /meet/)
  })

  it('a leader is a voter, or on its way out', () => {
    const listener = { voters: [2], outgoing: [], learners: [1] }
    assert.throws(() => witness().observe(view({ config: listener }), appending()), /on its way out/)
    witness().observe(view({ config: listener, configIndex: 2 }), appending())
  })

  it('a log begins after what is committed, in its term, with its members', () => {
    const log = [entry(1, 1), changed(2, 2, 1, 2)]
    const observe = (start: LogStart) =>
      witness(...log).observe(view({ role: 'follower', id: 2, start }, []), committing())
    observe({ index: 2, term: 2, config: voting(2, 1) })
    assert.throws(() => observe({ index: 3, term: 2, config: voting(1, 2) }), /only what is committed/)
    assert.throws(() => observe({ index: 2, term: 1, config: voting(1, 2) }), /after a committed entry/)
    assert.throws(() => observe({ index: 2, term: 2, config: voting(1, 2, 3) }), /remembered/)
  })
})

function start(index: number, term: number): LogStart {
  return { index, term, config: voting(1, 2, 3) }
}

function log(length: number): Entry[] {
  return Array.from({ length }, (_, i) => entry(i + 1, 2))
}
