import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Entry, type Input, type LogStart, RAFT_DEFAULTS, RaftNode } from '../../raft/index.js'
import { accepted, append, entry, heard, leaderOne, nodeOne, ticks, voting } from './one-node.js'

const propose: Input = { kind: 'propose', payload: Uint8Array.of(7) }
const start = (index: number, term: number): LogStart => ({ index, term, config: voting(1, 2, 3) })
const refused = (index: number, hintIndex: number, hintTerm: number) =>
  ({ kind: 'append_result', term: 1, accepted: false, index, hintIndex, hintTerm, round: 0 }) as const

/** Leads 1 2 3 in term 1. Node 2 has its ten entries; node 3 was never heard. The first eight are forgotten. */
function forgetfulLeader(): RaftNode {
  const node = leaderOne()
  node.step([heard(2, accepted(1))])
  const { write } = node.step(new Array<Input>(9).fill(propose))
  node.step([{ kind: 'written', write: write!.id }, heard(2, accepted(10))])
  node.step([{ kind: 'compact', index: 8 }])
  return node
}

function restarted(recovered: {
  start: LogStart
  entries: Entry[]
  appliedIndex: number
  term: number
}): RaftNode {
  const hardState = { term: recovered.term, vote: 0 }
  return new RaftNode({ ...RAFT_DEFAULTS, id: 1 }, { hardState, ...recovered }, () => 0)
}

describe('a log that has forgotten its beginning', () => {
  it('goes on as before: what is known of its start, what is in it, where it commits', () => {
    const node = forgetfulLeader()
    const { start: begins, entryAt, lastIndex } = node.view()
    assert.deepEqual([begins, entryAt(8), entryAt(9)?.index, lastIndex], [start(8, 1), undefined, 9, 10])
    assert.deepEqual(node.startAt(9), start(9, 1))
    assert.deepEqual(node.step([propose, heard(2, accepted(11))]).committed, [])
    assert.throws(() => node.startAt(7), /starts at an entry that it has/)
  })

  it('forgets nothing twice, and nothing that wasn\u2019t reported as committed (fault 21)', () => {
    const node = forgetfulLeader()
    node.step([{ kind: 'compact', index: 3 }])
    assert.equal(node.view().start.index, 8)
    node.step([propose])
    assert.throws(() => node.step([{ kind: 'compact', index: 11 }]), /only what was reported/)
  })

  it('takes nothing for arrived because it is forgotten: a follower that does not answer is not sent more and more', () => {
    const node = leaderOne()
    node.step([heard(2, accepted(1)), heard(3, accepted(1))])
    for (let index = 2; index <= 40; index++) {
      const { write, send } = node.step([propose])
      node.step([{ kind: 'written', write: write!.id }, heard(2, accepted(index))])
      node.step([{ kind: 'compact', index: index - 1 }])
      const entries = send.flatMap(({ to, message }) =>
        to === 3 && message.kind === 'append' ? message.entries : [],
      )
      assert.equal(entries.length, index <= 3 ? 1 : 0, `entry ${index}`)
    }
  })

  it('begins there after a restart, and reports only what the checkpoint lacks', () => {
    const entries = [entry(6, 2), entry(7, 2), entry(8, 3)]
    const node = restarted({ start: start(5, 2), entries, appliedIndex: 7, term: 3 })
    assert.deepEqual([node.status().commitIndex, node.view().persistedIndex], [7, 8])
    const { committed } = node.step([heard(2, append(3, 8, 3, [], 8))])
    assert.deepEqual(committed, [entry(8, 3)])
    assert.throws(() => restarted({ start: start(5, 2), entries, appliedIndex: 4, term: 3 }), /applied/)
    assert.throws(() => restarted({ start: start(5, 2), entries, appliedIndex: 9, term: 3 }), /applied/)
  })

  it('a follower agrees with appends that reach back before it, and hints at nothing it has forgotten', () => {
    const node = restarted({ start: start(5, 2), entries: [entry(6, 2)], appliedIndex: 5, term: 3 })
    const early = append(3, 3, 1, [entry(4, 2), entry(5, 2), entry(6, 2), entry(7, 3)])
    const { write, sendAfterWrite } = node.step([heard(2, early)])
    assert.deepEqual(write?.entries, [entry(7, 3)])
    assert.deepEqual(sendAfterWrite, [{ to: 2, message: accepted(7, 3) }])
    const { sendAfterWrite: refusal } = node.step([heard(2, append(3, 9, 1))])
    assert.deepEqual(refusal, [{ to: 2, message: { ...refused(9, 5, 2), term: 3 } }])
  })
})

describe('a leader whose follower needs what it has forgotten', () => {
  it('asks for a snapshot to it once, and heartbeats on meanwhile', () => {
    const node = forgetfulLeader()
    assert.deepEqual(node.step(ticks(2)).snapshots, [], 'not to one that was never heard')
    assert.deepEqual(node.step([heard(3, refused(8, 0, 0))]).snapshots, [3])
    const { send, snapshots } = node.step([propose, ...ticks(2)])
    assert.deepEqual(snapshots, [])
    assert.deepEqual(
      send.filter(({ to }) => to === 3),
      [{ to: 3, message: append(1, 8, 1, [], 10) }],
    )
    assert.deepEqual(node.step([heard(3, refused(8, 0, 0))]).snapshots, [])
    assert.deepEqual(node.progress(), [
      { id: 2, match: 10, snapshot: false },
      { id: 3, match: 0, snapshot: true },
    ])
  })

  it('counts its answers, so that it stays the leader with nobody else', () => {
    const node = forgetfulLeader()
    node.step([...ticks(2), heard(3, refused(8, 0, 0))])
    for (let tick = 0; tick < 40; tick++) node.step([...ticks(1), heard(3, refused(8, 0, 0))])
    assert.equal(node.status().role, 'leader')
  })

  it('goes on where the snapshot ends, whichever it hears first: of its end, or of its arrival', () => {
    const early = forgetfulLeader()
    early.step([...ticks(2), heard(3, refused(8, 0, 0))])
    early.step([{ kind: 'snapshot_ended', peer: 3 }])
    const rest = [9, 10].map((index) => entry(index, 1, 7))
    assert.deepEqual(early.step([heard(3, accepted(8))]).send, [
      { to: 3, message: append(1, 8, 1, rest, 10) },
    ])
    const late = forgetfulLeader()
    late.step([...ticks(2), heard(3, refused(8, 0, 0))])
    late.step([heard(3, accepted(8))])
    assert.deepEqual(
      late.step([{ kind: 'snapshot_ended', peer: 3 }]).send.map(({ message }) => message),
      [append(1, 8, 1, rest, 10)],
    )
  })

  it('asks anew if it got lost, once the follower is heard again', () => {
    const node = forgetfulLeader()
    node.step([...ticks(2), heard(3, refused(8, 0, 0))])
    assert.deepEqual(node.step([{ kind: 'snapshot_ended', peer: 3 }, ...ticks(4)]).snapshots, [])
    assert.deepEqual(node.step([heard(3, refused(8, 0, 0))]).snapshots, [3])
  })

  it('finds the agreement below its start, though a term is all that tells', () => {
    const node = leaderOne({ term: 4, log: [1, 1, 4, 4] })
    node.step([heard(2, accepted(5, 5)), ...ticks(1)])
    node.step([{ kind: 'compact', index: 4 }])
    const refusal = { ...refused(4, 4, 3), term: 5 }
    assert.deepEqual(node.step([...ticks(1), heard(3, refusal)]).snapshots, [3])
  })
})

describe('a peer\u2019s checkpoint in place of the log', () => {
  const news = start(5, 2)

  it('is where everything goes on from, and the leader is told after the write', () => {
    const node = nodeOne({ term: 3, log: [1, 1, 1] })
    node.step([heard(2, append(3, 9, 3))])
    assert.equal(node.wants(news), true)
    const { sendAfterWrite, committed, write, status } = node.step([{ kind: 'restored', start: news }])
    assert.deepEqual(sendAfterWrite, [{ to: 2, message: accepted(5, 3) }])
    assert.deepEqual([committed, write, status.lastIndex, status.commitIndex], [[], undefined, 5, 5])
    const next = node.step([heard(2, append(3, 5, 2, [entry(6, 3)], 6))])
    assert.deepEqual(next.write?.entries, [entry(6, 3)])
    assert.deepEqual(next.committed, [entry(6, 3)])
  })

  it('brings its members', () => {
    const node = nodeOne({ term: 3 })
    const config = { voters: [2, 3], outgoing: [], learners: [1] }
    const { status } = node.step([{ kind: 'restored', start: { ...news, config } }])
    assert.deepEqual([status.config, status.configIndex, status.configCommitted], [config, 5, true])
    assert.equal(node.step(ticks(50)).status.role, 'follower')
  })

  it('is not wanted if it ends in what is committed here (fault 22)', () => {
    const node = nodeOne({ term: 3 })
    const log = [1, 2, 3, 4, 5, 6].map((index) => entry(index, 2))
    node.step([heard(2, append(3, 0, 0, log, 5))])
    node.step([{ kind: 'written', write: 1 }])
    assert.equal(node.wants(start(5, 2)), false)
    assert.equal(node.wants(start(4, 2)), false)
    assert.throws(() => node.step([{ kind: 'restored', start: start(4, 2) }]), /brings news/)
  })

  it('is not wanted if its last entry is here: what follows may be acknowledged (fault 22)', () => {
    const node = nodeOne({ term: 3, log: [1, 1, 1, 2, 2, 2, 2] })
    assert.equal(node.status().commitIndex, 0)
    assert.equal(node.wants(news), false)
    assert.equal(node.wants(start(5, 3)), true, 'but it is if the entry is another')
    assert.equal(node.wants(start(8, 3)), true)
  })

  it('is not wanted by a leader, who has everything', () => {
    assert.equal(leaderOne().wants(start(9, 1)), false)
  })

  it('ends a candidacy, which spoke of another log', () => {
    const node = nodeOne({ term: 3 })
    node.step(ticks(10))
    assert.equal(node.status().role, 'candidate')
    assert.equal(node.step([{ kind: 'restored', start: news }]).status.role, 'follower')
  })

  it('is not wanted if it is of a term that this node has yet to hear of: a leader sends it to those who follow', () => {
    assert.equal(nodeOne({ term: 1 }).wants(news), false)
    assert.equal(nodeOne({ term: 2 }).wants(news), true)
  })

  it('must not come while a write is under way (fault 22)', () => {
    const node = nodeOne({ term: 3 })
    node.step([heard(2, append(3, 0, 0, [entry(1, 1)]))])
    assert.throws(() => node.step([{ kind: 'restored', start: news }]), /no write is under way/)
  })
})
