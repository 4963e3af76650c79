import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Input, Message, RaftNode } from '../../raft/index.js'
import { accepted, append, heard, leaderOne, nodeOne, ticks } from './one-node.js'

const propose: Input = { kind: 'propose', payload: Uint8Array.of(7) }
const to = (peer: number): Input => ({ kind: 'transfer', to: peer })
const TIMEOUT_NOW: Message = { kind: 'timeout_now', term: 1 }

function servingLeader(): RaftNode {
  const node = leaderOne()
  node.step([heard(2, accepted(1)), heard(3, accepted(1))])
  return node
}

describe('a leader that hands over (§3.10)', () => {
  it('asks its successor at once if that has everything, and once', () => {
    const node = servingLeader()
    const { send, status } = node.step([to(2)])
    assert.deepEqual(send, [{ to: 2, message: TIMEOUT_NOW }])
    assert.deepEqual([status.role, status.transferring], ['leader', true])
    assert.deepEqual(node.step(ticks(1)).send, [])
  })

  it('first brings it what it lacks, and takes nothing new meanwhile', () => {
    const node = servingLeader()
    node.step([propose])
    assert.deepEqual(node.step([to(2), propose]).send, [])
    assert.equal(node.status().lastIndex, 2)
    const { send } = node.step([heard(2, accepted(2))])
    assert.deepEqual(
      send.filter(({ message }) => message.kind === 'timeout_now').map((outgoing) => outgoing.to),
      [2],
    )
  })

  it('gives up after an election timeout, or when the stream breaks', () => {
    const node = servingLeader()
    node.step([to(2)])
    for (let tick = 0; tick < 9; tick++) node.step([...ticks(1), heard(3, accepted(1))])
    assert.equal(node.status().transferring, true)
    assert.equal(node.step([...ticks(1), propose]).status.lastIndex, 2)
    node.step([to(2), { kind: 'disconnected', peer: 2 }])
    assert.equal(node.status().transferring, false)
  })

  it('ignores what makes no sense: itself, a stranger, a second successor, and one who doesn\u2019t lead', () => {
    assert.equal(servingLeader().step([to(1)]).status.transferring, false)
    assert.equal(servingLeader().step([to(4)]).status.transferring, false)
    assert.deepEqual(
      servingLeader()
        .step([to(2), to(3)])
        .send.map((outgoing) => outgoing.to),
      [2],
    )
    assert.equal(nodeOne().step([to(2)]).status.transferring, false)
  })

  it('gives way and votes when asked by its successor', () => {
    const node = servingLeader()
    const vote: Message = { kind: 'vote', term: 2, pre: false, transfer: true, lastIndex: 1, lastTerm: 1 }
    const { status, sendAfterWrite } = node.step([to(2), heard(2, vote)])
    assert.deepEqual([status.role, status.term], ['follower', 2])
    assert.deepEqual(sendAfterWrite, [
      { to: 2, message: { kind: 'vote_result', term: 2, pre: false, granted: true } },
    ])
  })
})

describe('a follower', () => {
  it('that is asked to take over campaigns without rehearsal, and says who asked', () => {
    const node = nodeOne({ term: 1 })
    node.step([heard(2, append(1, 0, 0))])
    const { status, write, sendAfterWrite } = node.step([heard(2, TIMEOUT_NOW)])
    assert.deepEqual([status.role, status.term, write?.hardState], ['candidate', 2, { term: 2, vote: 1 }])
    const vote = { kind: 'vote', term: 2, pre: false, transfer: true, lastIndex: 0, lastTerm: 0 }
    assert.deepEqual(
      sendAfterWrite.map(({ message }) => message),
      [vote, vote],
    )
  })

  it('does not for a leader of the past (fault 11), nor with a silent disk (fault 28)', () => {
    assert.equal(nodeOne({ term: 2 }).step([heard(2, TIMEOUT_NOW)]).status.term, 2)
    const stalled = nodeOne({ term: 1 })
    stalled.step([heard(2, append(2, 0, 0)), ...ticks(1)])
    stalled.step(ticks(10))
    assert.equal(stalled.step([...ticks(1), heard(2, { ...TIMEOUT_NOW, term: 2 })]).status.term, 2)
  })

  it('that is loyal answers a candidate only if the leader asked for the election (fault 9)', () => {
    for (const transfer of [false, true]) {
      const node = nodeOne({ term: 1 })
      const vote: Message = { kind: 'vote', term: 2, pre: false, transfer, lastIndex: 0, lastTerm: 0 }
      const { sendAfterWrite } = node.step([heard(2, append(1, 0, 0)), heard(3, vote)])
      assert.equal(
        sendAfterWrite.some(({ to }) => to === 3),
        transfer,
      )
    }
  })
})
