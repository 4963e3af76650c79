import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Input, Message, Output } from '../../raft/index.js'
import { accepted, append, entry, heard, leaderOne, nodeOne, ticks, voting } from './one-node.js'

const propose = (...payload: number[]): Input => ({ kind: 'propose', payload: Uint8Array.from(payload) })

function sentTo(to: number, { send }: Output): Message[] {
  return send.filter((outgoing) => outgoing.to === to).map((outgoing) => outgoing.message)
}

const refused = (index: number, hintIndex: number, hintTerm: number): Message => ({
  kind: 'append_result',
  term: 1,
  accepted: false,
  index,
  hintIndex,
  hintTerm,
  round: 0,
})

describe('a leader', () => {
  it('makes one write and one append of all proposals of a step', () => {
    const node = leaderOne()
    node.step([heard(2, accepted(1)), heard(3, accepted(1))])
    const entries = [entry(2, 1, 7), entry(3, 1, 8)]
    assert.deepEqual(node.step([propose(7), propose(8)]), {
      write: { id: 3, hardState: undefined, truncateFrom: undefined, entries },
      send: [2, 3].map((to) => ({ to, message: append(1, 1, 1, entries, 1) })),
      sendAfterWrite: [],
      committed: [],
      reads: [],
      snapshots: [],
      ignored: [],
      violations: [],
      status: {
        ...{ id: 1, role: 'leader', term: 1, leader: 1, lastIndex: 3, commitIndex: 1, serving: true },
        ...{ config: voting(1, 2, 3), configIndex: 0, configCommitted: true, transferring: false },
      },
    })
  })

  it('counts itself only once its own write is done (fault 8)', () => {
    const node = leaderOne({ voters: [1, 2] })
    node.step([heard(2, accepted(1))])
    const { write } = node.step([propose(7)])
    assert.deepEqual(node.step([heard(2, accepted(2))]).committed, [])
    assert.deepEqual(node.step([{ kind: 'written', write: write!.id }]).committed, [entry(2, 1, 7)])
  })

  it('commits by others while its own disk is still at work', () => {
    const node = leaderOne()
    node.step([heard(2, accepted(1)), heard(3, accepted(1)), propose(7)])
    const output = node.step([heard(2, accepted(2)), heard(3, accepted(2))])
    assert.deepEqual(output.committed, [entry(2, 1, 7)])
  })

  it('says at once what is committed, but never more than the follower has', () => {
    const node = leaderOne()
    node.step([heard(2, accepted(1)), heard(3, accepted(1))])
    const { write } = node.step([propose(7)])
    node.step([{ kind: 'written', write: write!.id }])
    const output = node.step([heard(2, accepted(2))])
    assert.deepEqual(output.send, [{ to: 2, message: { kind: 'commit', term: 1, commit: 2 } }])
    assert.deepEqual(node.step([heard(3, accepted(2))]).send, [
      { to: 3, message: { kind: 'commit', term: 1, commit: 2 } },
    ])
    assert.deepEqual(node.step([heard(3, accepted(2))]).send, [])
  })

  it('commits no entry of an earlier term by counting it (fault 3)', () => {
    const node = leaderOne({ term: 1, log: [1] })
    assert.equal(node.step([heard(2, accepted(1, 2)), heard(3, accepted(1, 2))]).status.commitIndex, 0)
    assert.equal(node.step([heard(2, accepted(2, 2))]).status.commitIndex, 2)
  })

  it('sends a thousand small entries in one append, and has four thousand under way', () => {
    const node = leaderOne({ voters: [1, 2] })
    node.step([heard(2, accepted(1))])
    const flight = sentTo(2, node.step(Array.from({ length: 10_000 }, () => propose(7))))
    const counts = flight.map((message) => (message.kind === 'append' ? message.entries.length : 0))
    assert.deepEqual(counts, [1_024, 1_024, 1_024, 1_024])
    const more = sentTo(2, node.step([heard(2, accepted(1_025))]))
    assert.equal(more.filter(({ kind }) => kind === 'append').length, 1)
  })

  it('pipelines, within the bytes allowed in flight', () => {
    const node = leaderOne({ voters: [1, 2], settings: { appendBytesMax: 140, inflightBytesMax: 280 } })
    node.step([heard(2, accepted(1))])
    const five = [propose(2), propose(3), propose(4), propose(5), propose(6), propose(7)]
    const flight = sentTo(2, node.step(five))
    assert.deepEqual(flight, [
      append(1, 1, 1, [entry(2, 1, 2), entry(3, 1, 3)], 1),
      append(1, 3, 1, [entry(4, 1, 4), entry(5, 1, 5)], 1),
    ])
    assert.deepEqual(sentTo(2, node.step([heard(2, accepted(3))])), [
      append(1, 5, 1, [entry(6, 1, 6), entry(7, 1, 7)], 1),
    ])
  })

  it('sends its no-op at once, however long the log that its followers may lack', () => {
    const settings = { appendBytesMax: 140, inflightBytesMax: 280 }
    const node = nodeOne({ voters: [1, 2], term: 1, log: new Array<number>(10).fill(1), settings })
    const granted = (pre: boolean) => heard(2, { kind: 'vote_result', term: 2, pre, granted: true })
    node.step([...ticks(10), granted(true)])
    const elected = node.step([{ kind: 'written', write: 1 }, granted(false)])
    assert.deepEqual(sentTo(2, elected), [append(2, 10, 1, [entry(11, 2)])])
  })

  it('sends an entry that is larger than any limit, alone', () => {
    const node = leaderOne({ voters: [1, 2], settings: { appendBytesMax: 140, inflightBytesMax: 280 } })
    node.step([heard(2, accepted(1))])
    const huge = new Array<number>(500).fill(1)
    assert.deepEqual(sentTo(2, node.step([propose(...huge), propose(3)])), [
      append(1, 1, 1, [entry(2, 1, ...huge)], 1),
    ])
  })

  it('probes with one append at a time until the logs are known to agree', () => {
    const node = leaderOne({ voters: [1, 2] })
    assert.deepEqual(sentTo(2, node.step([propose(7)])), [])
    assert.deepEqual(sentTo(2, node.step(ticks(2))), [append(1, 0, 0)])
    assert.deepEqual(sentTo(2, node.step([heard(2, accepted(1))])), [append(1, 1, 1, [entry(2, 1, 7)], 1)])
  })

  it('skips a whole term of disagreement with each refusal, by the hint', () => {
    const node = leaderOne({ voters: [1, 2], term: 4, log: [1, 1, 2, 2, 4] })
    const refusal = { ...refused(5, 4, 3), term: 5 } as Message
    const [probe] = sentTo(2, node.step([heard(2, refusal)]))
    assert.deepEqual(probe?.kind === 'append' && [probe.prevIndex, probe.prevTerm], [4, 2])
  })

  it('sends nothing again for a refusal that is doubled or old (fault 11)', () => {
    const node = leaderOne({ voters: [1, 2], term: 4, log: [1, 1, 2, 2, 4] })
    const refusal = { ...refused(5, 2, 1), term: 5 } as Message
    assert.equal(sentTo(2, node.step([heard(2, refusal)])).length, 1)
    assert.equal(sentTo(2, node.step([heard(2, refusal)])).length, 0)
    node.step([heard(2, accepted(6, 5))])
    assert.equal(sentTo(2, node.step([heard(2, refusal)])).length, 0)
  })

  it('notices a lost append by the refusal of the next heartbeat, and sends it once more', () => {
    const node = leaderOne({ voters: [1, 2] })
    node.step([heard(2, accepted(1))])
    node.step([propose(7)])
    assert.deepEqual(sentTo(2, node.step(ticks(2))), [append(1, 2, 1, [], 1)])
    assert.deepEqual(sentTo(2, node.step([heard(2, refused(2, 1, 1))])), [
      append(1, 1, 1, [entry(2, 1, 7)], 1),
    ])
    assert.deepEqual(sentTo(2, node.step([heard(2, refused(2, 1, 1))])), [])
  })

  it('holds back entries from a follower whose stream broke, until it answers a heartbeat', () => {
    const node = leaderOne({ voters: [1, 2] })
    node.step([heard(2, accepted(1))])
    node.step([propose(7)])
    assert.deepEqual(sentTo(2, node.step([{ kind: 'disconnected', peer: 2 }, propose(8)])), [])
    assert.deepEqual(sentTo(2, node.step(ticks(2))), [append(1, 1, 1, [], 1)])
    assert.deepEqual(sentTo(2, node.step([heard(2, accepted(1))])), [
      append(1, 1, 1, [entry(2, 1, 7), entry(3, 1, 8)], 1),
    ])
  })
})

describe('a follower', () => {
  it('answers once for all appends of a step, and only after the write', () => {
    const node = nodeOne({ term: 1 })
    const first = append(1, 0, 0, [entry(1, 1, 7)])
    const second = append(1, 1, 1, [entry(2, 1, 8)], 1, 3)
    assert.deepEqual(node.step([heard(2, first), heard(2, second)]), {
      write: {
        id: 1,
        hardState: undefined,
        truncateFrom: undefined,
        entries: [entry(1, 1, 7), entry(2, 1, 8)],
      },
      send: [],
      sendAfterWrite: [{ to: 2, message: accepted(2, 1, 3) }],
      committed: [entry(1, 1, 7)],
      reads: [],
      snapshots: [],
      ignored: [],
      violations: [],
      status: {
        ...{ id: 1, role: 'follower', term: 1, leader: 2, lastIndex: 2, commitIndex: 1, serving: false },
        ...{ config: voting(1, 2, 3), configIndex: 0, configCommitted: true, transferring: false },
      },
    })
  })

  it('refuses what does not fit, with its best guess of what might', () => {
    const node = nodeOne({ term: 3, log: [1, 1, 2, 2] })
    const { sendAfterWrite } = node.step([heard(2, append(3, 6, 1, [entry(7, 3)]))])
    assert.deepEqual(sentTo(2, { ...node.step([]), send: sendAfterWrite }), [
      { ...refused(6, 2, 1), term: 3 },
    ])
  })

  it('replaces a contradicting tail in one write', () => {
    const node = nodeOne({ term: 3, log: [1, 1, 2, 2] })
    const { write } = node.step([heard(2, append(3, 2, 1, [entry(3, 3, 7)]))])
    assert.deepEqual(write, { id: 1, hardState: undefined, truncateFrom: 3, entries: [entry(3, 3, 7)] })
  })

  it('is not moved by an old append: nothing truncated, nothing forgotten (fault 11)', () => {
    const node = nodeOne({ term: 1 })
    node.step([heard(2, append(1, 0, 0, [entry(1, 1), entry(2, 1), entry(3, 1)], 2))])
    const { write, sendAfterWrite, status } = node.step([heard(2, append(1, 0, 0, [entry(1, 1)], 0))])
    assert.equal(write, undefined)
    assert.deepEqual(sendAfterWrite, [{ to: 2, message: accepted(3) }])
    assert.deepEqual([status.lastIndex, status.commitIndex], [3, 2])
  })

  it('commits only what it knows to equal the leader\u2019s log, whatever it is told', () => {
    const node = nodeOne({ term: 2, log: [1, 1, 1] })
    assert.equal(node.step([heard(2, { kind: 'commit', term: 2, commit: 3 })]).status.commitIndex, 0)
    assert.equal(node.step([heard(2, append(2, 1, 1, [], 3))]).status.commitIndex, 1)
    assert.equal(node.step([heard(2, { kind: 'commit', term: 2, commit: 3 })]).status.commitIndex, 1)
    assert.equal(node.step([heard(2, append(2, 3, 1, [], 3))]).status.commitIndex, 3)
  })

  it('drops its answer with the term it was given in', () => {
    const node = nodeOne({ term: 1 })
    const { sendAfterWrite } = node.step([
      heard(2, append(1, 0, 0, [entry(1, 1), entry(2, 1)])),
      heard(3, append(2, 0, 0, [entry(1, 2)])),
    ])
    assert.deepEqual(sendAfterWrite, [{ to: 3, message: accepted(1, 2) }])
  })

  it('tells a leader of the past which term it is, and nothing else: it may lead that term by now', () => {
    const { sendAfterWrite } = nodeOne({ term: 4 }).step([heard(2, append(3, 5, 3, [], 0, 9))])
    assert.deepEqual(sendAfterWrite, [{ to: 2, message: { ...refused(0, 0, 0), term: 4, round: 0 } }])
  })
})
