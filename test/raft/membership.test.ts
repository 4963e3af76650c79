import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Configuration, Entry, Input, Members, Message, NodeId, RaftNode } from '../../raft/index.js'
import {
  ConfigurationHistory,
  isSane,
  isVoter,
  membersOf,
  reached,
  settled,
  towards,
  votersOf,
} from '../../raft/membership.js'
import { accepted, append, entry, heard, leaderOne, nodeOne, ticks, voting } from './one-node.js'

const IDS = [1, 2, 3, 4, 5, 6]
const members = fc
  .tuple(fc.subarray(IDS, { minLength: 1 }), fc.subarray(IDS))
  .map(([voters, others]): Members => ({ voters, learners: others.filter((id) => !voters.includes(id)) }))
const simple = members.map((target): Configuration => ({ ...target, outgoing: [] }))

/** Every set of nodes whose yes is enough, found by trying them all. */
function quorums({ voters, outgoing }: Configuration): NodeId[][] {
  const enough = (set: NodeId[], of: readonly NodeId[]) =>
    2 * of.filter((id) => set.includes(id)).length > of.length
  const all = Array.from({ length: 2 ** IDS.length }, (_, bits) => IDS.filter((_, i) => bits & (1 << i)))
  return all.filter((set) => enough(set, voters) && (outgoing.length === 0 || enough(set, outgoing)))
}

describe('the arithmetic of configurations, against a dumb twin', () => {
  it('each step of a change shares a voter between any two majorities, before and after (fault 14)', () => {
    fc.assert(
      fc.property(simple, members, (current, target) => {
        const next = towards(current, target)
        for (const [before, after] of [
          [current, next],
          [next, settled(next)],
        ] as const) {
          for (const a of quorums(before))
            for (const b of quorums(after)) assert(a.some((id) => b.includes(id)))
        }
        assert.deepEqual(settled(next), { ...target, outgoing: [] })
      }),
      { numRuns: 40 },
    )
  })

  it('a value is reached if those who are there are enough; learners never are (fault 16)', () => {
    fc.assert(
      fc.property(
        simple,
        members,
        fc.array(fc.nat(9), { minLength: 7, maxLength: 7 }),
        (current, target, values) => {
          const config = towards(current, target)
          const ways = quorums(config).map((set) => Math.min(...set.map((id) => values[id]!)))
          assert.equal(
            reached(config, (id) => values[id]!),
            Math.max(...ways),
          )
        },
      ),
    )
  })

  it('everybody is counted once', () => {
    const config = { voters: [1, 4], outgoing: [1, 2, 3], learners: [2, 5] }
    assert.deepEqual(votersOf(config), [1, 4, 2, 3])
    assert.deepEqual(membersOf(config), [1, 4, 2, 3, 5])
    assert.deepEqual(
      IDS.filter((id) => isVoter(config, id)),
      [1, 2, 3, 4],
    )
  })

  it('a configuration is sane if somebody votes, and nobody is named twice', () => {
    const sane = (change: Partial<Configuration>) => isSane({ ...voting(1, 2), ...change })
    assert(sane({}))
    assert(sane({ learners: [3], outgoing: [1, 3] }))
    for (const insane of [
      { voters: [] },
      { voters: [1, 1] },
      { voters: [0] },
      { voters: [1.5] },
      { voters: 'all' as unknown as NodeId[] },
      { learners: [2] },
      { learners: [3, 3] },
      { outgoing: [-1] },
    ])
      assert(!sane(insane), JSON.stringify(insane))
  })

  it('the history of a log: what is in force is what its entries say, through appends, truncations and compactions', () => {
    const change = fc.oneof(
      fc.record({ kind: fc.constant('append'), at: fc.nat(9) }),
      fc.record({ kind: fc.constant('truncate'), at: fc.nat(9) }),
      fc.record({ kind: fc.constant('compact'), at: fc.nat(9) }),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        let start = 0
        let twin: (Configuration | undefined)[] = [voting(1)]
        const history = new ConfigurationHistory({ index: 0, term: 0, config: voting(1) })
        const newest = (upTo: number) => {
          while (twin[upTo] === undefined) upTo--
          return upTo
        }
        for (const { kind, at } of changes) {
          const index = Math.min(twin.length - 1, start + at)
          if (kind === 'append') {
            const config = at % 2 === 0 ? voting(at + 2) : undefined
            if (config !== undefined) history.append(twin.length, config)
            twin.push(config)
          } else if (kind === 'truncate' && index > start) {
            history.truncated(index)
            twin = twin.slice(0, index)
          } else if (kind === 'compact') {
            start = index
            history.compacted({ index, term: 1, config: twin[newest(index)]! })
          }
          for (let i = start; i < twin.length; i++) assert.deepEqual(history.at(i), twin[newest(i)])
          assert.equal(history.newest.index, Math.max(start, newest(twin.length - 1)))
        }
      }),
    )
  })
})

const WHO = Uint8Array.of(7)
const reconfigure = (voters: NodeId[], learners: NodeId[] = []): Input => ({
  kind: 'reconfigure',
  target: { voters, learners },
  payload: WHO,
})
const change = (index: number, term: number, config: Configuration): Entry => ({
  ...entry(index, term, ...WHO),
  config,
})

/** Leads 1 2 3 in term 1; its no-op, the first entry, is everywhere. */
function servingLeader(): RaftNode {
  const node = leaderOne()
  node.step([heard(2, accepted(1)), heard(3, accepted(1))])
  return node
}

/** One step, and its write done. */
function write(node: RaftNode, ...inputs: Input[]) {
  const output = node.step(inputs)
  return output.write === undefined ? output : node.step([{ kind: 'written', write: output.write.id }])
}

describe('a leader that changes the members', () => {
  it('appends the joint configuration, and the final one once that is committed by both (§4.3)', () => {
    const node = servingLeader()
    const joint = { voters: [1, 4, 5], outgoing: [1, 2, 3], learners: [3] }
    const { write: first, send, status } = node.step([reconfigure([1, 4, 5], [3])])
    assert.deepEqual(first?.entries, [change(2, 1, joint)])
    assert.deepEqual(
      send.map(({ to }) => to),
      [2, 3, 4, 5],
    )
    assert.deepEqual([status.config, status.configIndex, status.configCommitted], [joint, 2, false])
    node.step([{ kind: 'written', write: first!.id }])
    assert.deepEqual(node.step([heard(2, accepted(2)), heard(3, accepted(2))]).committed, [])
    const { committed, write: second } = node.step([heard(4, accepted(2))])
    assert.deepEqual(committed, [change(2, 1, joint)])
    const final = { voters: [1, 4, 5], outgoing: [], learners: [3] }
    assert.deepEqual(second?.entries, [change(3, 1, final)])
    // Node 2 is out, but its copy is of no use any more: now it takes two of 1, 4 and 5.
    node.step([{ kind: 'written', write: second!.id }])
    assert.deepEqual(node.step([heard(2, accepted(3)), heard(3, accepted(3))]).committed, [])
    const last = node.step([heard(5, accepted(3))])
    assert.deepEqual(last.committed, [change(3, 1, final)])
    assert(last.status.configCommitted)
    assert.deepEqual(last.send.filter(({ to }) => to === 2).at(-1)?.message, append(1, 3, 1, [], 3))
    assert.deepEqual(
      node.progress().map(({ id }) => id),
      [3, 4, 5],
    )
  })

  it('needs one entry for learners, and counts none of them (fault 16)', () => {
    const node = servingLeader()
    const config = { voters: [1, 2, 3], outgoing: [], learners: [4, 5] }
    assert.deepEqual(node.step([reconfigure([1, 2, 3], [4, 5])]).write?.entries, [change(2, 1, config)])
    const { status } = node.step([heard(4, accepted(2)), heard(5, accepted(2))])
    assert.equal(status.commitIndex, 1)
    for (let tick = 0; tick < 9; tick++)
      node.step([...ticks(1), heard(4, accepted(2)), heard(5, accepted(2))])
    assert.equal(node.step(ticks(1)).status.role, 'follower', 'learners are no majority to be heard')
  })

  it('does nothing before an entry of its term is committed (fault 14)', () => {
    const node = leaderOne({ term: 1, log: [1, 1] })
    assert.equal(node.step([reconfigure([1, 2])]).status.configIndex, 0)
    assert.equal(node.step([heard(2, accepted(3, 2)), reconfigure([1, 2])]).status.configIndex, 0)
    assert.equal(node.step([reconfigure([1, 2])]).status.configIndex, 4)
  })

  it('does nothing while another change is under way, while it hands over, or for a target that makes no sense', () => {
    const busy = servingLeader()
    const { status } = busy.step([reconfigure([1, 2, 3], [4]), reconfigure([1, 2])])
    assert.deepEqual([status.lastIndex, status.config.learners], [2, [4]])
    const leaving = servingLeader()
    assert.equal(leaving.step([{ kind: 'transfer', to: 2 }, reconfigure([1, 2])]).status.lastIndex, 1)
    assert.equal(servingLeader().step([reconfigure([])]).status.lastIndex, 1)
    assert.equal(servingLeader().step([reconfigure([1, 2], [2])]).status.lastIndex, 1)
  })

  it('that leaves itself is not counted, tells, and gives way to who has most (fault 15, §4.2.2)', () => {
    const node = servingLeader()
    write(node, reconfigure([2, 3]))
    write(node, heard(2, accepted(2)), heard(3, accepted(2)))
    const alone = write(node, heard(3, accepted(3)))
    assert.equal(alone.status.commitIndex, 2, 'its own disk doesn\u2019t count')
    const told = node.step([heard(2, accepted(3)), { kind: 'propose', payload: WHO }])
    assert.deepEqual([told.status.commitIndex, told.status.role], [3, 'leader'])
    const { status, send } = node.step([heard(3, accepted(4)), ...ticks(1)])
    assert.deepEqual([status.role, status.leader], ['follower', 0])
    assert.deepEqual(send, [{ to: 3, message: { kind: 'timeout_now', term: 1 } }])
    assert.equal(node.step(ticks(50)).status.role, 'follower', 'and never stands again')
  })

  it('does not give way to the late answer of one that it leads no more (fault 15)', () => {
    const node = servingLeader()
    write(node, reconfigure([1, 2]))
    write(node, heard(2, accepted(2)), heard(3, accepted(2)))
    write(node, heard(2, accepted(3)))
    const refusals: Message[] = [
      { kind: 'append_result', term: 9, accepted: false, index: 1, hintIndex: 0, hintTerm: 0, round: 0 },
      { kind: 'vote_result', term: 9, pre: true, granted: false },
      { kind: 'vote_result', term: 9, pre: false, granted: false },
    ]
    assert.equal(node.step(refusals.map((message) => heard(3, message))).status.role, 'leader')
    assert.equal(node.step([heard(2, refusals[0]!)]).status.term, 9)
  })

  it('brings a joint configuration to its end that a leader before it began', () => {
    const joint = { voters: [1, 2], outgoing: [1, 2, 3], learners: [] }
    const node = nodeOne({ term: 1 })
    write(node, heard(2, append(1, 0, 0, [entry(1, 1), change(2, 1, joint)], 2)))
    node.step(ticks(20))
    write(node, heard(2, { kind: 'vote_result', term: 2, pre: true, granted: true }))
    write(node, heard(2, { kind: 'vote_result', term: 2, pre: false, granted: true }))
    assert.deepEqual([node.status().role, node.status().configIndex], ['leader', 2], 'not before its no-op')
    const { write: final } = node.step([heard(2, accepted(3, 2))])
    assert.deepEqual(final?.entries, [change(4, 2, voting(1, 2))])
  })
})

describe('a node', () => {
  it('that was never told who the members are waits, and answers', () => {
    const node = nodeOne({ voters: [] })
    assert.equal(node.step(ticks(50)).status.role, 'follower')
    const vote: Message = { kind: 'vote', term: 1, pre: false, transfer: false, lastIndex: 0, lastTerm: 0 }
    assert.equal(node.step([heard(2, vote)]).sendAfterWrite.length, 1)
    assert.equal(node.step([heard(2, append(1, 0, 0, [entry(1, 1)]))]).status.leader, 2)
    assert.equal(
      node.step([{ kind: 'written', write: 1 }, { kind: 'written', write: 2 }, ...ticks(50)]).status.leader,
      0,
    )
  })

  it('that only listens never stands (fault 16)', () => {
    const config = { voters: [2, 3], outgoing: [], learners: [1] }
    const node = nodeOne({ term: 1 })
    write(node, heard(2, append(1, 0, 0, [entry(1, 1), change(2, 1, config)], 2)))
    assert.equal(node.step(ticks(50)).status.role, 'follower')
    assert.equal(node.step([heard(2, { kind: 'timeout_now', term: 1 })]).status.role, 'follower')
  })

  it('that may have lost its vote, but not for certain, stands (§4.2.2)', () => {
    const node = nodeOne({ term: 1 })
    write(node, heard(2, append(1, 0, 0, [entry(1, 1), change(2, 1, voting(2, 3))], 1)))
    assert.equal(node.step(ticks(20)).status.role, 'candidate')
    assert.equal(
      node.step([heard(2, { kind: 'vote_result', term: 2, pre: true, granted: true })]).status.term,
      1,
      'without a vote of its own',
    )
    assert.equal(
      node.step([heard(3, { kind: 'vote_result', term: 2, pre: true, granted: true })]).status.term,
      2,
    )
  })

  it('goes back to the members from before when the change is truncated', () => {
    const node = nodeOne({ term: 1 })
    const { status } = node.step([heard(2, append(1, 0, 0, [entry(1, 1), change(2, 1, voting(1))], 1))])
    assert.deepEqual([status.config, status.configIndex], [voting(1), 2])
    const after = node.step([heard(3, append(2, 1, 1, [entry(2, 2)]))]).status
    assert.deepEqual([after.config, after.configIndex, after.configCommitted], [voting(1, 2, 3), 0, true])
  })
})
