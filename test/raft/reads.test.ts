import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Input, Message, RaftNode } from '../../raft/index.js'
import { accepted, append, entry, heard, leaderOne, nodeOne, ticks } from './one-node.js'

const read = (id: number): Input => ({ kind: 'read', id })
const readResult = (id: number, index: number, term = 1): Message => ({
  kind: 'read_result',
  term,
  id,
  index,
})

function servingLeader(pendingReadsMax = 100): RaftNode {
  const node = leaderOne({ settings: { pendingReadsMax } })
  node.step([heard(2, accepted(1)), heard(3, accepted(1))])
  return node
}

function followerOfTwo(pendingReadsMax = 100): RaftNode {
  const node = nodeOne({ term: 1, settings: { pendingReadsMax } })
  node.step([heard(2, append(1, 0, 0))])
  return node
}

describe('reads at the leader', () => {
  it('are refused before its no-op is committed (fault 4)', () => {
    const node = leaderOne()
    assert.equal(node.status().serving, false)
    const { reads, send } = node.step([read(7), heard(2, { kind: 'read', term: 1, id: 5 })])
    assert.deepEqual(reads, [{ id: 7, index: undefined }])
    assert.deepEqual(send, [{ to: 2, message: readResult(5, 0) }])
  })

  it('start a round at once, one for all reads of a step, and are confirmed by a majority', () => {
    const node = servingLeader()
    const { send } = node.step([read(7), read(8), heard(3, { kind: 'read', term: 1, id: 5 })])
    assert.deepEqual(
      send,
      [2, 3].map((to) => ({ to, message: append(1, 1, 1, [], 1, 1) })),
    )
    const confirmed = node.step([heard(2, accepted(1, 1, 1))])
    assert.deepEqual(confirmed.reads, [
      { id: 7, index: 1 },
      { id: 8, index: 1 },
    ])
    assert.deepEqual(confirmed.send, [{ to: 3, message: readResult(5, 1) }])
  })

  it('asked during a round wait for the next, and answers to the old one don\u2019t confirm them (fault 5)', () => {
    const node = servingLeader()
    node.step([read(7)])
    assert.deepEqual(node.step([read(8)]).send, [])
    const first = node.step([heard(2, accepted(1, 1, 1))])
    assert.deepEqual(first.reads, [{ id: 7, index: 1 }])
    assert.deepEqual(first.send[0]?.message, append(1, 1, 1, [], 1, 2))
    assert.deepEqual(node.step([heard(3, accepted(1, 1, 1)), heard(2, accepted(1, 1, 1))]).reads, [])
    assert.deepEqual(node.step([heard(3, accepted(1, 1, 2))]).reads, [{ id: 8, index: 1 }])
  })

  it('are confirmed by a refusal, too: a follower that lags still knows its leader', () => {
    const node = servingLeader()
    node.step([read(7)])
    const lagging: Message = { ...accepted(1, 1, 1), accepted: false } as Message
    assert.deepEqual(node.step([heard(2, lagging)]).reads, [{ id: 7, index: 1 }])
  })

  it('are all refused when it steps down, whoever asked', () => {
    const node = servingLeader()
    const { reads, send } = node.step([
      read(7),
      heard(3, { kind: 'read', term: 1, id: 5 }),
      heard(2, append(9, 0, 0)),
    ])
    assert.deepEqual(reads, [{ id: 7, index: undefined }])
    assert.deepEqual(send, [{ to: 3, message: readResult(5, 0) }])
  })

  it('beyond the limit are refused', () => {
    const node = servingLeader(2)
    assert.deepEqual(node.step([read(1), read(2), read(3)]).reads, [{ id: 3, index: undefined }])
    assert.deepEqual(node.step([read(4)]).reads, [{ id: 4, index: undefined }])
  })

  it('are confirmed in the same step when it is the only voter', () => {
    const node = nodeOne({ voters: [1] })
    node.step(ticks(1))
    node.step([{ kind: 'written', write: 1 }])
    assert.deepEqual(node.step([{ kind: 'written', write: 2 }]).committed, [entry(1, 1)])
    assert.deepEqual(node.step([read(7), read(8)]).reads, [
      { id: 7, index: 1 },
      { id: 8, index: 1 },
    ])
  })
})

describe('reads at a follower', () => {
  it('of one step go to the leader as one request, and its answer is theirs, once', () => {
    const node = followerOfTwo()
    const { send } = node.step([read(7), read(8)])
    assert.deepEqual(send, [{ to: 2, message: { kind: 'read', term: 1, id: 1 } }])
    assert.deepEqual(node.step([heard(2, readResult(1, 4)), heard(2, readResult(1, 4))]).reads, [
      { id: 7, index: 4 },
      { id: 8, index: 4 },
    ])
  })

  it('take no notice of answers to other requests (fault 11)', () => {
    const node = followerOfTwo()
    node.step([read(7)])
    assert.deepEqual(node.step([heard(2, readResult(2, 4)), heard(2, readResult(0, 4))]).reads, [])
  })

  const refused = [{ id: 7, index: undefined }]

  it('are refused when no leader is known', () => {
    assert.deepEqual(nodeOne().step([read(7)]).reads, refused)
    const candidate = nodeOne()
    candidate.step(ticks(10))
    assert.deepEqual(candidate.step([read(7)]).reads, refused)
  })

  it('are refused when the leader refuses, changes, or its stream breaks', () => {
    for (const input of [
      heard(2, readResult(1, 0)),
      heard(3, append(2, 0, 0)),
      { kind: 'disconnected', peer: 2 } as const,
    ]) {
      const node = followerOfTwo()
      node.step([read(7)])
      assert.deepEqual(node.step([input]).reads, refused)
    }
  })

  it('are refused when unanswered for an election timeout, though the leader is heard', () => {
    const node = followerOfTwo()
    node.step([read(7)])
    assert.deepEqual(node.step([...ticks(9), heard(2, append(1, 0, 0))]).reads, [])
    assert.deepEqual(node.step(ticks(1)).reads, refused)
  })

  it('beyond the limit are refused, and the limit is free again after an answer', () => {
    const node = followerOfTwo(1)
    assert.deepEqual(node.step([read(1), read(7)]).reads, refused)
    node.step([heard(2, readResult(1, 4))])
    assert.deepEqual(node.step([read(2)]).reads, [])
  })
})
