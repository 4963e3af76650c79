import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { type HandDrivenNode, RESERVE_BYTES } from '../replica/hand-driven.js'
import { HandDrivenCluster } from '../replica/hand-driven-cluster.js'

/** A look a second, and what it finds has to get around. */
const NOTICED_MS = 1_500
const LOW = RESERVE_BYTES - 1
const MIB = 1024 * 1024

describe('room on the disks (fault 29)', () => {
  it('is asked of a majority: one node that is low stops nobody', async () => {
    const cluster = await start()
    const leader = await cluster.leader()
    followerOf(cluster, leader).freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    assert.deepEqual(shortages(cluster), [false, false, false])
    assert.equal(leader.replica.status.role, 'leader', 'a follower that is low is left alone')
  })

  it('is missing at every door when two of three are low, and there again when one has made room', async () => {
    const cluster = await start()
    const [one, two] = cluster.nodes
    one!.freeBytes = LOW
    two!.freeBytes = 3.9 * MIB
    await cluster.clock.pass(NOTICED_MS)
    assert.deepEqual(shortages(cluster), [true, true, true])
    const said = cluster.node(3).freeSpace.shortage
    assert.match(said ?? '', /node 1 has 127 MiB left \(its reserve is 128 MiB\)/)
    assert.match(said ?? '', /node 2 has 3 MiB left.*make room there.*same numbers/)
    two!.freeBytes = RESERVE_BYTES
    await cluster.clock.pass(3_000 + NOTICED_MS)
    assert.deepEqual(shortages(cluster), [false, false, false])
  })

  it('is missing when one is low and another away, since the low one is needed then', async () => {
    const cluster = await start()
    const leader = await cluster.leader()
    const [low, away] = cluster.nodes.filter((node) => node !== leader)
    low!.freeBytes = LOW
    away!.crash()
    await cluster.clock.pass(NOTICED_MS)
    assert.notEqual(leader.freeSpace.shortage, undefined)
    assert.notEqual(low!.freeSpace.shortage, undefined)
    await away!.boot()
    await cluster.clock.pass(NOTICED_MS)
    assert.deepEqual(shortages(cluster), [false, false, false])
  })

  it('is not spoken of to a version that does not know the word (fault 18)', async () => {
    const cluster = await HandDrivenCluster.start(3)
    await cluster.leader()
    const words = new Set<string>()
    cluster.copies = ({ kind }) => {
      words.add(kind)
      return 1
    }
    for (const node of cluster.nodes) node.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    assert.ok(words.has('raft') && !words.has('low_on_space'), [...words].join())
  })

  it('is not what is missing where there is no majority', async () => {
    const cluster = await start()
    const [one, two, three] = cluster.nodes
    one!.freeBytes = LOW
    two!.crash()
    three!.crash()
    await cluster.clock.pass(NOTICED_MS)
    assert.equal(one!.freeSpace.shortage, undefined)
  })

  it('of a node alone is that of the cluster', async () => {
    const cluster = await start(1)
    const leader = await cluster.leader()
    leader.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    assert.notEqual(leader.freeSpace.shortage, undefined)
    assert.equal(leader.replica.status.role, 'leader')
    leader.freeBytes = RESERVE_BYTES
    await cluster.clock.pass(NOTICED_MS)
    assert.equal(leader.freeSpace.shortage, undefined)
  })

  it('decides who leads: a leader that is low hands over to one that is not', async () => {
    const cluster = await start()
    const leader = await cluster.leader()
    const follower = followerOf(cluster, leader)
    follower.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    leader.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    const heir = await cluster.leader()
    assert.ok(heir !== leader && heir !== follower, `node ${heir.id} leads`)
    heir.freeBytes = LOW
    const { term } = heir.replica.status
    await cluster.clock.pass(10_000)
    assert.equal(heir.replica.status.role, 'leader', 'where all are low, leadership does not go around')
    assert.equal(heir.replica.status.term, term)
  })

  it('is no reason to stand still: if the heir is silent, the next attempt is half a minute later', async () => {
    const cluster = await start()
    const leader = await cluster.leader()
    let attempts = 0
    cluster.copies = (item) => {
      if (item.kind !== 'raft' || item.message.kind !== 'timeout_now') return 1
      attempts++
      return 0
    }
    leader.freeBytes = LOW
    await cluster.clock.pass(20_000)
    assert.equal(attempts, 1)
    assert.equal(leader.replica.status.role, 'leader')
    cluster.copies = () => 1
    await cluster.until('another leads', () => leader.replica.status.role !== 'leader')
  })
})

/** On the newest feature level. */
async function start(nodes = 3): Promise<HandDrivenCluster> {
  const cluster = await HandDrivenCluster.start(nodes)
  const leader = await cluster.leader()
  leader.submit({ op: 'raise', level: FEATURE_LEVEL })
  await cluster.until('all are on the newest level', () =>
    cluster.nodes.every(({ machine }) => machine.level === FEATURE_LEVEL),
  )
  return cluster
}

function followerOf(cluster: HandDrivenCluster, leader: HandDrivenNode): HandDrivenNode {
  return cluster.nodes.find((node) => node !== leader)!
}

function shortages(cluster: HandDrivenCluster): boolean[] {
  return cluster.nodes.map(({ freeSpace }) => freeSpace.shortage !== undefined)
}
