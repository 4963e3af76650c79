import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeId } from '../../raft/index.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { open } from '../machine/commands.js'
import type { HandDrivenNode } from '../replica/hand-driven.js'
import { HandDrivenCluster } from '../replica/hand-driven-cluster.js'

/** A word to all comes every 100 ms at most, and has to get around. */
const TOLD_MS = 150
const TTL_MS = 3_600_000

describe('what nodes tell each other of their disks (fault 26)', () => {
  it('gets to all, leader or not, and ends when there is nothing new', async () => {
    const cluster = await start()
    await write(cluster, 1)
    await cluster.clock.pass(TOLD_MS)
    for (const node of cluster.nodes)
      for (const { id, replica } of others(cluster, node))
        assert.equal(node.keptEntries.byPeer.get(id), replica.status.commitIndex)
    const words = countWords(cluster)
    await cluster.clock.pass(5_000)
    assert.equal(words(), 0)
  })

  it('comes at once after a pause, and every 100 ms while there is work', async () => {
    const cluster = await start()
    await cluster.clock.pass(TOLD_MS)
    const words = countWords(cluster)
    await write(cluster, 1)
    await cluster.clock.pass(20)
    assert.equal(words(), 6, 'from each to each')
    const beganMs = cluster.clock.nowMs()
    await write(cluster, 200)
    const rounds = Math.ceil((cluster.clock.nowMs() - beganMs) / 100) + 1
    assert.ok(words() <= 6 * rounds, `${words()} words in ${rounds} rounds`)
  })

  it('is what is on its own disk, also for a leader that has committed more by the disks of others', async () => {
    const cluster = await start()
    await cluster.clock.pass(TOLD_MS)
    const leader = await cluster.leader()
    const { lastIndex } = leader.replica.status
    leader.diskStalled = true
    leader.submit(open(50, TTL_MS))
    await cluster.until('it is committed', () => leader.replica.status.commitIndex > lastIndex, 500)
    await cluster.clock.pass(TOLD_MS)
    for (const node of others(cluster, leader)) {
      assert.equal(node.keptEntries.byPeer.get(leader.id), lastIndex)
      assert.ok(leader.keptEntries.byPeer.get(node.id)! > lastIndex)
    }
  })

  it('is never of entries that a later leader takes back', async () => {
    const cluster = await start()
    await cluster.clock.pass(TOLD_MS)
    const first = await cluster.leader()
    const { commitIndex } = first.replica.status
    cluster.isolate(first.id)
    for (let k = 0; k < 5; k++) {
      first.submit(open(60 + k, TTL_MS))
      await cluster.clock.pass(20)
    }
    assert.equal(first.disk.entries.at(-1)!.index, commitIndex + 5, 'they are on its disk')
    const led = () => others(cluster, first).some(({ replica }) => replica.status.serving)
    await cluster.until('another leads', led)
    cluster.heal()
    for (const { id } of others(cluster, first)) first.keptEntries.onConnected(id)
    await cluster.clock.pass(2)
    for (const node of others(cluster, first))
      assert.equal(node.keptEntries.byPeer.get(first.id), commitIndex)
    await cluster.agree()
    await cluster.clock.pass(TOLD_MS)
    assertAllKept(cluster)
    await first.restart()
    assertAllKept(cluster)
  })

  it('is what a snapshot has brought, and no less after a restart', async () => {
    const cluster = await start({ checkpointBytes: 4_000 })
    await write(cluster, 1)
    const leader = await cluster.leader()
    const [lost] = others(cluster, leader)
    cluster.isolate(lost!.id)
    while ((leader.disk.start?.index ?? 0) <= lost!.replica.status.lastIndex) await write(cluster, 50)
    cluster.heal()
    await cluster.until('it has leapt', () => lost!.restored > 0)
    await cluster.agree()
    await cluster.clock.pass(TOLD_MS)
    for (const node of others(cluster, lost!))
      assert.equal(node.keptEntries.byPeer.get(lost!.id), lost!.replica.status.commitIndex)
    await lost!.restart()
    assertAllKept(cluster)
  })

  it('is told again to a peer that has forgotten it, and old news do no harm', async () => {
    const cluster = await start()
    await cluster.clock.pass(TOLD_MS)
    const [one, two] = cluster.nodes
    const index = one!.keptEntries.byPeer.get(2)!
    await one!.restart()
    assert.equal(one!.keptEntries.byPeer.size, 0)
    two!.keptEntries.onConnected(1)
    await cluster.clock.pass(5)
    assert.equal(one!.keptEntries.byPeer.get(2), index)
    one!.keptEntries.told(2, { kind: 'kept', index: index - 1 })
    assert.equal(one!.keptEntries.byPeer.get(2), index)
  })

  it('is not told to a version that does not know the word (fault 18)', async () => {
    const cluster = await HandDrivenCluster.start(3)
    await cluster.leader()
    const words = countWords(cluster)
    await write(cluster, 3)
    for (const node of cluster.nodes)
      for (const { id } of others(cluster, node)) node.keptEntries.onConnected(id)
    await cluster.clock.pass(1_000)
    assert.equal(words(), 0)
  })
})

/** On the newest feature level. */
async function start(circumstances: { checkpointBytes?: number } = {}): Promise<HandDrivenCluster> {
  const cluster = await HandDrivenCluster.start(3, circumstances)
  const leader = await cluster.leader()
  leader.submit({ op: 'raise', level: FEATURE_LEVEL })
  await cluster.until('all are on the newest level', () =>
    cluster.nodes.every(({ machine }) => machine.level === FEATURE_LEVEL),
  )
  return cluster
}

let keys = 0

/** So many entries, one after the other. */
async function write(cluster: HandDrivenCluster, entries: number): Promise<void> {
  const leader = await cluster.leader()
  for (let k = 0; k < entries; k++) {
    const verdicts = leader.submit(open(1_000 + keys++, TTL_MS))
    await cluster.until('it is done', () => verdicts.length === 1)
  }
}

function others(cluster: HandDrivenCluster, { id }: HandDrivenNode): HandDrivenNode[] {
  return cluster.nodes.filter((node) => node.id !== id)
}

/** Whatever was told is on the disk that it was told of. */
function assertAllKept(cluster: HandDrivenCluster): void {
  for (const node of cluster.nodes)
    for (const [id, index] of node.keptEntries.byPeer) assert.ok(endOf(cluster, id) >= index)
}

function endOf(cluster: HandDrivenCluster, id: NodeId): number {
  const { entries, start } = cluster.node(id).disk
  return entries.at(-1)?.index ?? start?.index ?? 0
}

function countWords(cluster: HandDrivenCluster): () => number {
  let words = 0
  cluster.copies = ({ kind }) => {
    if (kind === 'kept') words++
    return 1
  }
  return () => words
}
