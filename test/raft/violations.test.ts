import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type Append,
  checkLog,
  type Entry,
  type Input,
  type Message,
  type NodeId,
  type RaftNode,
  TERM_MAX,
  type ViolationReason,
} from '../../raft/index.js'
import { Cluster, SMALL, seeded } from './cluster.js'
import { accepted, append, entry, heard, leaderOne, nodeOne, ticks, voting } from './one-node.js'

const LEAP = 2 ** 32

/** Steps, and returns who is reported for what. */
function reported(node: RaftNode, ...inputs: Input[]): [NodeId, ViolationReason][] {
  return node.step(inputs).violations.map(({ from, reason }) => [from, reason])
}

function vote(term: number, transfer = false): Message {
  return { kind: 'vote', term, pre: false, transfer, lastIndex: 0, lastTerm: 0 }
}

/** Node 1 with two entries of its leader, node 2, in term 1, the first committed. */
function follower(): RaftNode {
  const node = nodeOne({ term: 1 })
  node.step([heard(2, append(1, 0, 0, [entry(1, 1), entry(2, 1)], 1))])
  return node
}

describe('a second leader in one term (fault 2)', () => {
  it('is reported by the leader, which goes on', () => {
    const node = leaderOne()
    for (const claim of [
      append(1, 1, 1),
      { kind: 'commit', term: 1, commit: 1 } as const,
      { kind: 'timeout_now', term: 1 } as const,
    ]) {
      assert.deepEqual(reported(node, heard(2, claim)), [[2, 'second_leader']])
      assert.equal(node.status().role, 'leader')
    }
  })

  it('is reported by a follower, which goes on following the first', () => {
    const node = follower()
    assert.deepEqual(reported(node, heard(3, append(1, 2, 1, [entry(3, 1)]))), [[3, 'second_leader']])
    assert.deepEqual([node.status().leader, node.status().lastIndex], [2, 2])
  })

  it('is reported when the stream of the first has broken, and when this node stands for election meanwhile', () => {
    const node = follower()
    const broken: Input = { kind: 'disconnected', peer: 2 }
    assert.deepEqual(reported(node, broken, heard(3, append(1, 2, 1))), [[3, 'second_leader']])
    node.step(ticks(4))
    assert.equal(node.status().role, 'candidate')
    assert.deepEqual(reported(node, heard(3, append(1, 2, 1))), [[3, 'second_leader']])
    assert.deepEqual(reported(node, heard(2, append(1, 2, 1))), [])
    assert.equal(node.status().leader, 2)
  })

  it('is reported by one who led in this term and has stepped down', () => {
    const node = leaderOne()
    for (let tick = 0; tick < 12; tick++) node.step(ticks(1))
    assert.notEqual(node.status().role, 'leader')
    assert.deepEqual(reported(node, heard(2, append(1, 1, 1))), [[2, 'second_leader']])
  })
})

describe('an append that contradicts what this node knows (fault 2)', () => {
  const lies: readonly (readonly [string, Message])[] = [
    ['what is committed, by its entries', append(2, 0, 0, [entry(1, 2)])],
    ['what is committed, by the entry before them', append(2, 1, 2, [entry(2, 2)])],
    ['the beginning of the log', append(2, 0, 1, [entry(1, 1)])],
  ]
  for (const [what, lie] of lies) {
    it(`is without effect, and its sender reported: ${what}`, () => {
      const node = follower()
      const before = node.status()
      assert.deepEqual(reported(node, heard(3, lie)), [[3, 'conflict']])
      assert.deepEqual(node.status(), before)
    })
  }

  it('is without effect, and its sender reported: what it sent before in this term', () => {
    const node = nodeOne({ term: 2 })
    node.step([heard(2, append(2, 0, 0, [entry(1, 1), entry(2, 1)]))])
    assert.deepEqual(reported(node, heard(2, append(2, 1, 1, [entry(2, 2)]))), [[2, 'conflict']])
    assert.equal(node.view().entryAt(2)?.term, 1)
  })

  it('is none if it comes late, or before what is remembered', () => {
    const node = follower()
    assert.deepEqual(reported(node, heard(2, append(1, 0, 0, [entry(1, 1)]))), [])
    node.step([{ kind: 'written', write: 1 }])
    node.step([heard(2, append(1, 2, 1, [], 2))])
    node.step([{ kind: 'compact', index: 2 }])
    assert.deepEqual(reported(node, heard(2, append(1, 0, 0, [entry(1, 1), entry(2, 1)]))), [])
  })
})

describe('a term that leaps', () => {
  it('is entered if elections can have brought it there', () => {
    const node = nodeOne({ term: 1 })
    assert.deepEqual(reported(node, heard(2, vote(LEAP))), [])
    assert.equal(node.status().term, LEAP)
  })

  it('is entered part of the way otherwise, and its sender reported', () => {
    for (const message of [
      vote(TERM_MAX),
      append(TERM_MAX, 0, 0),
      { kind: 'vote_result', term: TERM_MAX, pre: true, granted: false } as const,
      { kind: 'read', term: TERM_MAX, id: 1 } as const,
    ]) {
      const node = nodeOne({ term: 0 })
      const { status, write, sendAfterWrite, violations } = node.step([heard(2, message)])
      assert.deepEqual([status.term, status.leader], [LEAP, 0])
      assert.deepEqual(write?.hardState, { term: LEAP, vote: 0 })
      assert.deepEqual(sendAfterWrite, [])
      assert.deepEqual(
        violations.map(({ from, reason }) => [from, reason]),
        [[2, 'term_leap']],
      )
    }
  })

  it('leaves terms for elections, however often it is sent', () => {
    const node = nodeOne({ term: 1 })
    for (let time = 0; time < 100_000; time++) node.step([heard(2, vote(TERM_MAX))])
    assert(TERM_MAX - node.status().term > 2 ** 45)
    node.step(ticks(10))
    assert.equal(node.status().role, 'candidate')
  })

  it('does not lock out a node that was led far ahead: the others come after it', () => {
    const cluster = new Cluster([1, 2, 3], () => () => 0.5, SMALL)
    cluster.faulty = 3
    for (let time = 1; time <= 5; time++) cluster.step(1, [heard(3, vote(time * LEAP))])
    cluster.crash(3)
    settle(cluster, [1, 2])
    assert(cluster.member(cluster.leader!).node!.status().term > 4 * LEAP)
  })

  it('never goes beyond the last term there can be', () => {
    const node = nodeOne({ term: TERM_MAX })
    assert.equal(node.step([...ticks(30)]).status.term, TERM_MAX)
    const next = nodeOne({ voters: [1], term: TERM_MAX - 1 })
    next.step(ticks(10))
    assert.deepEqual([next.status().role, next.status().term], ['candidate', TERM_MAX])
    for (let tick = 0; tick < 30; tick++) next.step(ticks(1))
    assert.equal(next.status().term, TERM_MAX)
  })
})

/** Anything that a peer might say, true or not, around what the node knows. */
function anything(random: () => number, { term, lastIndex }: { term: number; lastIndex: number }): Message {
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  const someTerm = (): number =>
    pick([term, term, term, term + 1, term - 1, term + 3, 1, 2, TERM_MAX, 2 ** 40])
  const index = (): number =>
    Math.max(0, pick([lastIndex, lastIndex, lastIndex - 1, lastIndex + 1, 0, 1, 2, 2 ** 50]))
  const flag = (): boolean => random() < 0.5
  const entries = (prevIndex: number): Entry[] =>
    Array.from({ length: Math.floor(random() * 4) }, (_, k) => {
      const plain = entry(prevIndex + 1 + k, someTerm(), k)
      return random() < 0.1
        ? { ...plain, config: pick([voting(1, 2), voting(2), voting(1, 2, 3, 4), voting()]) }
        : plain
    })
  const appended = (): Append => {
    const prevIndex = index()
    return append(someTerm(), prevIndex, someTerm(), entries(prevIndex), index(), pick([0, 1, 9])) as Append
  }
  switch (
    pick([
      'vote',
      'vote_result',
      'append',
      'append',
      'append',
      'append_result',
      'commit',
      'read',
      'read_result',
      'timeout_now',
    ] as const)
  ) {
    case 'vote':
      return {
        kind: 'vote',
        term: someTerm(),
        pre: flag(),
        transfer: flag(),
        lastIndex: index(),
        lastTerm: someTerm(),
      }
    case 'vote_result':
      return { kind: 'vote_result', term: someTerm(), pre: flag(), granted: flag() }
    case 'append':
      return appended()
    case 'append_result':
      return {
        kind: 'append_result',
        term: someTerm(),
        accepted: flag(),
        index: index(),
        hintIndex: index(),
        hintTerm: someTerm(),
        round: pick([0, 1, 9]),
      }
    case 'commit':
      return { kind: 'commit', term: someTerm(), commit: index() }
    case 'read':
      return { kind: 'read', term: someTerm(), id: index() }
    case 'read_result':
      return { kind: 'read_result', term: someTerm(), id: index(), index: index() }
    case 'timeout_now':
      return { kind: 'timeout_now', term: someTerm() }
  }
}

describe('whatever a faulty peer sends (fault 60)', () => {
  it('does not stop this node, and takes back nothing that is committed', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seeded(seed)
        const node = random() < 0.5 ? follower() : leaderOne()
        const committed: Entry[] = []
        for (let event = 0; event < 150; event++) {
          const inputs: Input[] = []
          while (random() < 0.7) {
            const dice = random()
            if (dice < 0.1) inputs.push({ kind: 'tick' })
            else if (dice < 0.15) inputs.push({ kind: 'disconnected', peer: 2 })
            else if (dice < 0.2) inputs.push({ kind: 'propose', payload: new Uint8Array(1) })
            else if (dice < 0.25) inputs.push(heard(3, accepted(node.status().lastIndex, node.status().term)))
            else inputs.push(heard(random() < 0.8 ? 2 : 3, anything(random, node.status())))
          }
          const { write, ...output } = node.step(inputs)
          committed.push(...output.committed)
          const view = node.view()
          checkLog(view)
          for (const each of committed) assert.equal(view.entryAt(each.index) ?? each, each)
          assert(view.term <= TERM_MAX)
          if (write !== undefined && random() < 0.7) node.step([{ kind: 'written', write: write.id }])
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

/** Ticks, delivers and writes among these, until one leads and what it proposes is committed by it. */
function settle(cluster: Cluster, ids: readonly NodeId[]): void {
  for (let round = 0; round < 20 * SMALL.electionTicks; round++) {
    for (const id of ids) cluster.step(id, [{ kind: 'tick' }])
    for (let busy = true; busy; ) {
      for (const message of cluster.network.splice(0)) if (ids.includes(message.to)) cluster.deliver(message)
      busy = cluster.network.length > 0 || ids.some((id) => cluster.member(id).pending.length > 0)
      for (const id of ids) cluster.write(id)
    }
  }
  const before = cluster.witness.committed.length
  assert(cluster.leader !== undefined, 'a leader')
  cluster.step(cluster.leader, [{ kind: 'propose', payload: new Uint8Array(1) }])
  for (let round = 0; round < 4 * SMALL.heartbeatTicks; round++) {
    for (const message of cluster.network.splice(0)) if (ids.includes(message.to)) cluster.deliver(message)
    for (const id of ids) cluster.write(id)
    for (const id of ids) cluster.step(id, [{ kind: 'tick' }])
  }
  assert(cluster.witness.committed.length > before, 'what the leader proposes is committed')
}

/**
 * What no protocol against crashes can tell from the truth: a vote or an entry that is not on the sender's disk, and a
 * leader that nobody elected.
 */
function isUndetectable(message: Message): boolean {
  if (message.kind === 'append_result') return message.accepted
  if (message.kind === 'vote_result') return message.granted && !message.pre
  return message.kind === 'append' || message.kind === 'commit'
}

describe('a majority that keeps to the protocol (fault 60)', () => {
  it('stays safe whatever a faulty peer sends, and goes on when that falls silent', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seeded(seed)
        const cluster = new Cluster([1, 2, 3], () => random, SMALL)
        cluster.faulty = 3
        for (let event = 0; event < 400; event++) {
          const id = random() < 0.5 ? 1 : 2
          const dice = random()
          if (dice < 0.3) cluster.step(id, [{ kind: 'tick' }])
          else if (dice < 0.5) cluster.write(id)
          else if (dice < 0.55) cluster.step(id, [{ kind: 'propose', payload: new Uint8Array(1) }])
          else if (dice < 0.75) {
            const message = cluster.network.shift()
            if (message !== undefined && message.to !== 3) cluster.deliver(message)
          } else {
            const lie = anything(random, cluster.member(id).node!.status())
            if (!isUndetectable(lie)) cluster.step(id, [heard(3, lie)])
          }
        }
        settle(cluster, [1, 2])
      }),
      { numRuns: 150 },
    )
  })
})
