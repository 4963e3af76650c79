import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FEATURE_LEVEL, LOW_ON_MEMORY_SINCE } from '../../src/machine/roster/feature-level.js'
import { type HandDrivenNode, RESERVE_BYTES } from '../replica/hand-driven.js'
import { HandDrivenCluster } from '../replica/hand-driven-cluster.js'

/** A look a second, and what it finds has to get around. */
const NOTICED_MS = 1_500
const LOW = RESERVE_BYTES - 1
const MIB = 1024 * 1024

describe('room on the disks (fault 29) and in the memory', () => {
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
    const said = cluster.node(3).reserves.shortage
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
    assert.notEqual(leader.reserves.shortage, undefined)
    assert.notEqual(low!.reserves.shortage, undefined)
    await away!.boot()
    await cluster.clock.pass(NOTICED_MS)
    assert.deepEqual(shortages(cluster), [false, false, false])
  })

  it('is missing when two are low on memory, or one on memory and another on disk; the message says which', async () => {
    const cluster = await start()
    const [one, two] = cluster.nodes
    one!.freeHeapBytes = LOW
    two!.freeHeapBytes = 3.9 * MIB
    await cluster.clock.pass(300)
    assert.deepEqual(shortages(cluster), [true, true, true], 'noticed within a few tenths of a second')
    const said = cluster.node(3).reserves.shortage ?? ''
    assert.match(said, /^too little memory for anything new: node 1 has 127 MiB of its heap left/)
    assert.match(said, /node 2 has 3 MiB of its heap left.*larger heap.*same numbers/)
    two!.freeHeapBytes = RESERVE_BYTES
    await cluster.clock.pass(3_000 + NOTICED_MS)
    assert.deepEqual(shortages(cluster), [false, false, false], 'one that is low stops nobody')
    two!.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    assert.match(
      cluster.node(3).reserves.shortage ?? '',
      /on disk.*node 2 has.*, and too little memory.*node 1 has/,
    )
  })

  it('of memory is no reason to change the leader', async () => {
    const cluster = await start()
    const leader = await cluster.leader()
    leader.freeHeapBytes = LOW
    await cluster.clock.pass(10_000)
    assert.equal(leader.replica.status.role, 'leader')
  })

  it('is not said of memory below the level that brought it, and of disks it is', async () => {
    const cluster = await start(3, LOW_ON_MEMORY_SINCE - 1)
    const words = new Set<string>()
    cluster.copies = (item) => {
      if (item.kind === 'low') words.add(item.resource)
      return 1
    }
    for (const node of cluster.nodes) node.freeHeapBytes = LOW
    cluster.nodes[0]!.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    assert.deepEqual([...words], ['disk'])
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
    assert.ok(words.has('raft') && !words.has('low'), [...words].join())
  })

  it('is not what is missing where there is no majority', async () => {
    const cluster = await start()
    const [one, two, three] = cluster.nodes
    one!.freeBytes = LOW
    two!.crash()
    three!.crash()
    await cluster.clock.pass(NOTICED_MS)
    assert.equal(one!.reserves.shortage, undefined)
  })

  it('of a node alone is that of the cluster', async () => {
    const cluster = await start(1)
    const leader = await cluster.leader()
    leader.freeBytes = LOW
    await cluster.clock.pass(NOTICED_MS)
    assert.notEqual(leader.reserves.shortage, undefined)
    assert.equal(leader.replica.status.role, 'leader')
    leader.freeBytes = RESERVE_BYTES
    await cluster.clock.pass(NOTICED_MS)
    assert.equal(leader.reserves.shortage, undefined)
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

async function start(nodes = 3, level = FEATURE_LEVEL): Promise<HandDrivenCluster> {
  const cluster = await HandDrivenCluster.start(nodes)
  const leader = await cluster.leader()
  leader.submit({ op: 'raise', level })
  await cluster.until('all are on that level', () =>
    cluster.nodes.every(({ machine }) => machine.level === level),
  )
  return cluster
}

function followerOf(cluster: HandDrivenCluster, leader: HandDrivenNode): HandDrivenNode {
  return cluster.nodes.find((node) => node !== leader)!
}

function shortages(cluster: HandDrivenCluster): boolean[] {
  return cluster.nodes.map(({ reserves }) => reserves.shortage !== undefined)
}
