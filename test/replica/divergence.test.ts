import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Configuration, NodeId } from '../../raft/index.js'
import { type Difference, DivergedError, DivergenceDetector } from '../../src/replica/divergence.js'
import type { DigestItem } from '../../src/replica/ports.js'
import { HandDrivenNode, open } from './hand-driven.js'

const OF_THREE = { voters: [1, 2, 3], outgoing: [], learners: [] }

/** The detector of node 1, whose machine says 7 unless told otherwise. */
class Hand {
  readonly sent: [to: NodeId, index: number, digest: number][] = []
  readonly differences: Difference[] = []
  readonly detector: DivergenceDetector
  #atMs = 0

  constructor(members: Configuration = OF_THREE) {
    this.detector = new DivergenceDetector({
      self: 1,
      members: () => members,
      send: (to, { index, digest }) => this.sent.push([to, index, digest]),
      onDifference: (difference) => this.differences.push(difference),
    })
  }

  /** An entry that comes so much later than the one before. */
  applies(index: number, digest = 7, laterMs = 1_000): void {
    const from = this.#atMs
    this.#atMs += laterMs
    this.detector.applied(index, from, this.#atMs, digest)
  }

  hears(from: NodeId, index: number, digest: number): void {
    this.detector.told(from, { kind: 'digest', index, digest })
  }
}

const DIVERGED = { name: 'DivergedError', index: 10, digest: 7, majorityDigest: 8 }

describe('nodes whose machines part (fault 13)', () => {
  it('are told of the first entry of each second of cluster time, and of no other', () => {
    const node = new Hand()
    for (let index = 1; index <= 30; index++) node.applies(index, index, 100)
    assert.deepEqual(node.sent, [
      [2, 10, 10],
      [3, 10, 10],
      [2, 20, 20],
      [3, 20, 20],
      [2, 30, 30],
      [3, 30, 30],
    ])
  })

  it('go on while they agree, whoever is first', () => {
    const node = new Hand()
    node.hears(2, 10, 7)
    node.applies(10)
    node.hears(3, 10, 7)
    assert.deepEqual(node.differences, [])
  })

  it('stop one that learns of a majority against it after it has applied the entry', () => {
    const node = new Hand()
    node.applies(10)
    node.hears(2, 10, 8)
    assert.throws(() => node.hears(3, 10, 8), DIVERGED)
  })

  it('stop one that lags at the entry where a majority said otherwise', () => {
    const node = new Hand()
    node.hears(2, 10, 8)
    node.hears(3, 10, 8)
    assert.throws(() => node.applies(10), DIVERGED)
  })

  it('stop the one with a word about what to do', () => {
    assert.match(
      new DivergedError(10, 7, 8).message,
      /after entry 10 .* 7, .* 8; .*empty data directory under a new id/,
    )
  })

  it('go on if one differs from the majority that this node is of, and that is told once', () => {
    const node = new Hand()
    for (const index of [10, 11, 12]) {
      node.applies(index)
      node.hears(2, index, 7)
      node.hears(3, index, 8)
    }
    assert.deepEqual(node.differences, [{ index: 10, digest: 7, peer: 3, peerDigest: 8 }])
  })

  it('tell again of one that had come back into line', () => {
    const node = new Hand()
    for (const [index, digest] of [
      [10, 8],
      [11, 7],
      [12, 8],
    ] as const) {
      node.applies(index)
      node.hears(3, index, digest)
    }
    assert.deepEqual(
      node.differences.map(({ index }) => index),
      [10, 12],
    )
  })

  it('guess nothing if there is no majority: two alone, or all different', () => {
    const two = new Hand({ voters: [1, 2], outgoing: [], learners: [] })
    two.applies(10)
    two.hears(2, 10, 8)
    assert.deepEqual(
      two.differences.map(({ peer }) => peer),
      [2],
    )
    const three = new Hand()
    three.applies(10)
    three.hears(2, 10, 8)
    three.hears(3, 10, 9)
    assert.deepEqual(
      three.differences.map(({ peer }) => peer),
      [2, 3],
    )
  })

  it('count those who vote: learners and strangers make no majority, and a learner stops before one', () => {
    const voter = new Hand({ voters: [1, 2, 3], outgoing: [], learners: [4, 5] })
    voter.applies(10)
    for (const peer of [2, 4, 5, 6]) voter.hears(peer, 10, 8)
    assert.equal(voter.differences.length, 4)
    const learner = new Hand({ voters: [2, 3, 4], outgoing: [], learners: [1] })
    learner.applies(10)
    learner.hears(2, 10, 8)
    assert.throws(() => learner.hears(4, 10, 8), DIVERGED)
  })

  it('need both majorities while the members change', () => {
    const node = new Hand({ voters: [1, 2, 3], outgoing: [1, 4, 5], learners: [] })
    node.applies(10)
    for (const peer of [2, 3, 4]) node.hears(peer, 10, 8)
    assert.throws(() => node.hears(5, 10, 8), DIVERGED)
  })

  it('compare nothing that a machine said before a snapshot took its place', () => {
    const node = new Hand()
    node.applies(10)
    node.detector.restored()
    node.hears(2, 10, 8)
    node.hears(3, 10, 8)
    assert.deepEqual(node.differences, [])
  })

  it('remember a bounded past', () => {
    const node = new Hand()
    for (let index = 10; index < 1_000; index++) node.applies(index)
    node.hears(2, 10, 8)
    node.hears(3, 10, 8)
    node.hears(2, 999, 8)
    assert.throws(() => node.hears(3, 999, 8), { index: 999 })
    assert.deepEqual(
      node.differences.map(({ index }) => index),
      [999],
    )
  })
})

describe('a node that hears that it has diverged (fault 13)', () => {
  /** A leader of three that has applied an entry, and what it has told of it. */
  async function leader() {
    const node = await HandDrivenNode.start({ voters: [1, 2, 3] })
    const digests: { to: NodeId; item: DigestItem }[] = []
    node.onApplied = () => {
      for (const { to, item } of node.sent) if (item.kind === 'digest') digests.push({ to, item })
    }
    for (let passedMs = 0; passedMs < 2_000; passedMs += 50) {
      await node.clock.pass(50)
      await node.agree()
    }
    const verdicts = node.submit(open(1))
    await node.agree()
    assert.equal(verdicts.length, 1)
    return { node, digests }
  }

  it('has told its peers what it has', async () => {
    const { node, digests } = await leader()
    const { appliedIndex: index, machine } = node.replica
    assert.deepEqual(
      digests,
      [2, 3].map((to) => ({ to, item: { kind: 'digest', index, digest: machine.digest } })),
    )
  })

  it('stops before it answers anything more', async () => {
    const { node, digests } = await leader()
    const { index, digest } = digests[0]!.item
    for (const peer of [2, 3]) node.receives(peer, { kind: 'digest', index, digest: digest + 1 })
    assert(node.fatal[0] instanceof DivergedError)
    const verdicts = node.submit(open(2))
    await node.agree()
    assert.deepEqual([verdicts, node.fatal.length], [[], 1])
  })

  it('goes on, and tells people, if it is one against one', async () => {
    const { node, digests } = await leader()
    const { index, digest } = digests[0]!.item
    node.receives(2, { kind: 'digest', index, digest: digest + 1 })
    assert.deepEqual(node.differences, [{ index, digest, peer: 2, peerDigest: digest + 1 }])
    const verdicts = node.submit(open(2))
    await node.agree()
    assert.deepEqual([verdicts.length, node.fatal], [1, []])
  })
})
