import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Message, RAFT_DEFAULTS, RaftNode } from '../../raft/index.js'
import { append, entry, heard, leaderOne, nodeOne, ticks, voting } from './one-node.js'

const vote = (term: number, lastIndex: number, lastTerm: number, pre = false): Message => ({
  kind: 'vote',
  term,
  pre,
  transfer: false,
  lastIndex,
  lastTerm,
})

const members = { config: voting(1, 2, 3), configIndex: 0, configCommitted: true }
const follower = {
  ...{
    id: 1,
    role: 'follower',
    leader: 0,
    lastIndex: 0,
    commitIndex: 0,
    serving: false,
    transferring: false,
  },
  ...members,
}

describe('a vote', () => {
  it('is written before it is sent, in one step with the term (fault 1)', () => {
    assert.deepEqual(nodeOne().step([heard(2, vote(1, 0, 0))]), {
      write: { id: 1, hardState: { term: 1, vote: 2 }, truncateFrom: undefined, entries: [] },
      send: [],
      sendAfterWrite: [{ to: 2, message: { kind: 'vote_result', term: 1, pre: false, granted: true } }],
      committed: [],
      reads: [],
      snapshots: [],
      ignored: [],
      violations: [],
      status: { ...follower, term: 1 },
    })
  })

  it('is asked for only after the own one is written (fault 1)', () => {
    const node = nodeOne({ voters: [1, 2] })
    node.step(ticks(10))
    const { write, send, sendAfterWrite } = node.step([
      heard(2, { kind: 'vote_result', term: 1, pre: true, granted: true }),
    ])
    assert.deepEqual(write, { id: 1, hardState: { term: 1, vote: 1 }, truncateFrom: undefined, entries: [] })
    assert.deepEqual(send, [])
    assert.deepEqual(sendAfterWrite, [{ to: 2, message: vote(1, 0, 0) }])
  })

  it('of a sole voter makes it the leader once it is on disk, and no tick sooner (fault 1)', () => {
    const node = nodeOne({ voters: [1] })
    const { write } = node.step(ticks(1))
    assert.deepEqual(write?.hardState, { term: 1, vote: 1 })
    for (let tick = 0; tick < 9; tick++) assert.equal(node.step(ticks(1)).status.role, 'candidate')
    assert.equal(node.step([{ kind: 'written', write: write.id }]).status.role, 'leader')
  })

  it('is given once in a term, but to the same candidate again and again, even after a restart (faults 1, 11)', () => {
    const node = nodeOne({ term: 1, vote: 2 })
    const { write, sendAfterWrite } = node.step([heard(2, vote(1, 0, 0)), heard(3, vote(1, 0, 0))])
    assert.equal(write, undefined)
    assert.deepEqual(
      sendAfterWrite.map(({ to, message }) => [to, message.kind === 'vote_result' && message.granted]),
      [
        [2, true],
        [3, false],
      ],
    )
  })

  for (const [lastIndex, lastTerm, granted] of [
    [3, 2, true],
    [2, 2, false],
    [9, 1, false],
    [1, 3, true],
  ] as const) {
    it(`goes to a log that ends in ${lastIndex}/${lastTerm}: ${granted}, when the own one ends in 3/2 (fault 2)`, () => {
      for (const pre of [true, false]) {
        const { send, sendAfterWrite } = nodeOne({ term: 3, log: [1, 1, 2] }).step([
          heard(2, vote(4, lastIndex, lastTerm, pre)),
        ])
        const term = pre && !granted ? 3 : 4
        assert.deepEqual(pre ? send : sendAfterWrite, [
          { to: 2, message: { kind: 'vote_result', term, pre, granted } },
        ])
      }
    })
  }

  it('is not even considered while the leader is alive (fault 9)', () => {
    const node = nodeOne({ term: 1 })
    node.step([heard(2, append(1, 0, 0))])
    const ignored = node.step([...ticks(9), heard(3, vote(7, 0, 0))])
    assert.deepEqual([ignored.write, ignored.sendAfterWrite, ignored.status.term], [undefined, [], 1])
    assert.equal(leaderOne().step([heard(3, vote(7, 9, 9))]).status.role, 'leader')
  })
})

describe('a pre-vote', () => {
  it('changes nothing where it is asked for (fault 9)', () => {
    const node = nodeOne({ term: 4 })
    assert.deepEqual(node.step([heard(2, vote(9, 0, 0, true))]), {
      write: undefined,
      send: [{ to: 2, message: { kind: 'vote_result', term: 9, pre: true, granted: true } }],
      sendAfterWrite: [],
      committed: [],
      reads: [],
      snapshots: [],
      ignored: [],
      violations: [],
      status: { ...follower, term: 4 },
    })
  })

  it('is refused with the own term while a leader is heard, and by the leader itself', () => {
    const node = nodeOne({ term: 4 })
    node.step([heard(2, append(4, 0, 0))])
    const refusal = { to: 3, message: { kind: 'vote_result', term: 4, pre: true, granted: false } }
    assert.deepEqual(node.step([...ticks(9), heard(3, vote(5, 0, 0, true))]).send, [refusal])
    assert.deepEqual(leaderOne({ term: 3 }).step([heard(3, vote(5, 9, 4, true))]).send, [refusal])
  })

  it('is repeated every heartbeat, for a peer that refuses may lose its leader the next moment', () => {
    const node = nodeOne()
    assert.equal(node.step(ticks(9)).send.length, 0)
    assert.equal(node.step(ticks(1)).send.length, 2)
    assert.equal(node.step(ticks(1)).send.length, 0)
    assert.equal(node.step(ticks(1)).send.length, 2)
  })

  it('tells a node that was left behind which term it is', () => {
    const node = nodeOne({ term: 1 })
    node.step(ticks(10))
    const { status } = node.step([heard(2, { kind: 'vote_result', term: 8, pre: true, granted: false })])
    assert.deepEqual(status, { ...follower, term: 8 })
  })
})

describe('an election', () => {
  it('is won by a majority, and opens the term with a no-op', () => {
    const node = nodeOne({ voters: [1, 2, 3, 4, 5] })
    const granted = (from: number, pre: boolean) =>
      heard(from, { kind: 'vote_result', term: 1, pre, granted: true })
    node.step(ticks(10))
    assert.equal(node.step([granted(2, true), granted(2, true)]).status.term, 0)
    assert.equal(node.step([granted(3, true)]).status.term, 1)
    assert.equal(node.step([granted(4, true), granted(5, true), granted(2, false)]).status.role, 'candidate')
    node.step([{ kind: 'written', write: 1 }])
    const { status, write, send } = node.step([granted(2, false), granted(3, false)])
    const config = voting(1, 2, 3, 4, 5)
    assert.deepEqual(status, { ...follower, role: 'leader', term: 1, leader: 1, lastIndex: 1, config })
    assert.deepEqual(write?.entries, [entry(1, 1)])
    assert.deepEqual(
      send.map(({ to, message }) => [to, message]),
      [2, 3, 4, 5].map((to) => [to, append(1, 0, 0, [entry(1, 1)])]),
    )
  })

  it('counts the own vote only once it is on disk, though no other is needed (fault 1)', () => {
    const node = nodeOne({ voters: [1] })
    const { status, write } = node.step(ticks(1))
    assert.deepEqual([status.role, status.term, write?.hardState], ['candidate', 1, { term: 1, vote: 1 }])
    assert.equal(node.step(ticks(1)).status.role, 'candidate')
    assert.equal(node.step([{ kind: 'written', write: write!.id }]).status.role, 'leader')
  })

  it('is lost to a leader of the same term', () => {
    const node = nodeOne({ voters: [1, 2] })
    node.step(ticks(10))
    node.step([heard(2, { kind: 'vote_result', term: 1, pre: true, granted: true })])
    assert.equal(node.step([heard(2, append(1, 0, 0))]).status.leader, 2)
  })

  it('that was split is held again within a quarter of an election timeout', () => {
    const start = { index: 0, term: 0, config: voting(1, 2, 3) }
    const recovered = { hardState: { term: 0, vote: 0 }, start, entries: [], appliedIndex: 0 }
    const longest = 0.999
    const node = new RaftNode({ ...RAFT_DEFAULTS, id: 1 }, recovered, () => longest)
    node.step(ticks(2 * RAFT_DEFAULTS.electionTicks))
    node.step([heard(2, { kind: 'vote_result', term: 1, pre: true, granted: true })])
    node.step([{ kind: 'written', write: 1 }])
    node.step([heard(2, { kind: 'vote_result', term: 1, pre: false, granted: false })])
    const asked = (count: number) => node.step(ticks(count)).send.map(({ message }) => message)
    assert.ok(
      !asked(RAFT_DEFAULTS.electionTicks / 4 - 1).some((message) => message.kind === 'vote' && message.pre),
    )
    assert.deepEqual(asked(1), [vote(2, 0, 0, true), vote(2, 0, 0, true)])
  })

  it('is not stood for by a node whose disk is silent (fault 28)', () => {
    const node = nodeOne()
    node.step([heard(2, append(1, 0, 0, [entry(1, 1)]))])
    assert.equal(node.step(ticks(10)).status.role, 'candidate')
    assert.equal(node.step(ticks(1)).status.role, 'follower')
    assert.equal(node.step(ticks(50)).status.role, 'follower')
    assert.equal(node.step([{ kind: 'written', write: 1 }, ...ticks(1)]).status.role, 'candidate')
  })

  it('an unsound configuration is refused at the start', () => {
    assert.throws(() => nodeOne({ settings: { id: 0 } }), /positive integer/)
    assert.throws(() => nodeOne({ settings: { electionTicks: 4 } }), /more than twice heartbeatTicks/)
    assert.throws(() => nodeOne({ settings: { appendBytesMax: 2 ** 40 } }), /one append fits/)
    assert.ok(nodeOne() instanceof RaftNode)
  })
})

describe('a leader', () => {
  it('steps down when no majority was heard for an election timeout', () => {
    const node = leaderOne()
    node.step([...ticks(5), heard(2, append_result())])
    assert.equal(node.step(ticks(9)).status.role, 'leader')
    assert.equal(node.step(ticks(1)).status.role, 'follower')
  })

  it('steps down when its disk is silent, though all followers are well (fault 28)', () => {
    const node = leaderOne()
    node.step([{ kind: 'propose', payload: Uint8Array.of(1) }])
    for (let tick = 0; tick < 10; tick++)
      node.step([...ticks(1), heard(2, append_result()), heard(3, append_result())])
    assert.equal(node.status().role, 'leader')
    const { status, send } = node.step(ticks(1))
    assert.deepEqual([status.role, status.leader, send], ['follower', 0, []])
  })

  it('gives way to whoever speaks of a later term', () => {
    const { status } = leaderOne().step([heard(2, append(5, 0, 0))])
    assert.deepEqual([status.role, status.term, status.leader], ['follower', 5, 2])
  })
})

function append_result(): Message {
  return { kind: 'append_result', term: 1, accepted: true, index: 1, hintIndex: 0, hintTerm: 0, round: 0 }
}
