import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ClusterWitness,
  checkLog,
  checkState,
  checkTransition,
  type Entry,
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
  })

  it('of a log', () => {
    checkLog(view())
    assert.throws(() => checkLog(view({}, [entry(1, 2), entry(2, 1)])), /never decrease/)
    assert.throws(() => checkLog(view({}, [entry(1, 1), entry(3, 2)])), /no hole/)
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

function log(length: number): Entry[] {
  return Array.from({ length }, (_, i) => entry(i + 1, 2))
}
