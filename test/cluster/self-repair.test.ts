import assert from 'node:assert/strict'
import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { Operator } from '../../src/client/operator.js'
import { flipByteOf, flipByteOfLog, zeroTailOfLog } from './damage.js'
import { eventually } from './eventually.js'
import { assertNothingLost, Load } from './load.js'

const REPAIR_MS = 60_000
/** Several election timeouts: whoever may vote has done so by then. */
const ELECTIONS_MS = 5_000

type Damage = (directory: string, cluster: LocalCluster) => Promise<void>

const LOSSES: readonly [what: string, damage: Damage, says: RegExp][] = [
  ['its directory is empty', empty, /the cluster knows this node on another disk/],
  ['a byte has changed', flipByteOfLog, /the log on disk is damaged at key/],
  ['its end reads as zeros', zeroTailOfLog, /the log on disk is damaged at key/],
  [
    'its database is an earlier copy',
    rollBack,
    /the newest one found is write \d+: what came after it is lost/,
  ],
  ['its directory is empty again', empty, /the cluster knows this node on another disk/],
]

test('a node that has lost what it promised is made anew while the cluster serves (faults 17, 25, 26, 30)', {
  timeout: 240_000,
}, async (t) => {
  await using cluster = await LocalCluster.start({ checkpointMiB: 1 })
  const node = cluster.node(3)
  const directory = cluster.dataDirectory(3)
  await using load = await Load.start(cluster, [cluster.node(1), cluster.node(2)])
  for (const [k, [what, damage, says]] of LOSSES.entries()) {
    await load.progress()
    await cp(directory, join(cluster.directory, 'earlier'), { recursive: true, force: true })
    await load.progress()
    await node.kill()
    await damage(directory, cluster)
    const from = node.output().length
    const beganMs = performance.now()
    await node.start()
    const member = 3 + 1_000 * (k + 1)
    await isVoter(cluster, member)
    t.diagnostic(`${what}: back after ${Math.round(performance.now() - beganMs)} ms, as member ${member}`)
    assert.match(node.output(from), says)
    assert.ok((await readdir(directory)).includes('set-aside'))
    await load.progress()
  }
  // It is needed: without its vote there is no majority.
  await assertNothingLost(t, load)
  await cluster.node(1).kill()
  await using keeper = await connect(cluster.addresses)
  await keeper.withLock('after all', () => {})
})

test('a node whose whole disk is put back to an earlier copy is made anew, follower or leader (fault 26)', {
  timeout: 240_000,
}, async (t) => {
  await using cluster = await LocalCluster.start({ checkpointMiB: 1 })
  const node = cluster.node(3)
  const directory = cluster.dataDirectory(3)
  const copy = join(cluster.directory, 'earlier')
  await using load = await Load.start(cluster, [cluster.node(1), cluster.node(2)])
  using operator = new Operator(cluster.clientAddresses)
  for (const [k, role] of ['follower', 'leader'].entries()) {
    const [member, successor] = [3 + 1_000 * k, 3 + 1_000 * (k + 1)]
    await load.progress()
    await node.stop()
    await cp(directory, copy, { recursive: true })
    await node.start()
    const to = role === 'leader' ? member : 1
    await operator.change('transferLeadership', { to }, ({ leader }) => leader === to)
    await load.progress()
    await node.kill()
    await empty(directory)
    await rename(copy, directory)
    const from = node.output().length
    const beganMs = performance.now()
    await node.start()
    await isVoter(cluster, successor)
    t.diagnostic(`${role}: back after ${Math.round(performance.now() - beganMs)} ms, as member ${successor}`)
    const found = new RegExp(`node ${member} had entry (\\d+) on disk, and comes back with .* entry (\\d+)`)
    const [, had = 0, has = 0] = found.exec(node.output(from)) ?? []
    assert.ok(Number(had) > Number(has), node.output(from))
    assert.match(node.output(from), /this node can not be trusted as the member it was/)
    await load.progress()
  }
  await assertNothingLost(t, load)
  await cluster.node(1).kill()
  await using keeper = await connect(cluster.addresses)
  await keeper.withLock('after all', () => {})
})

test('nodes that are damaged all at once at the same entry wait, touch nothing, and vote for nobody (fault 31)', {
  timeout: 180_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: 120_000 })
  let token = 0
  for (let k = 0; k < 200; k++) token = await keeper.withLock(`kept/${k}`, async (lock) => lock.token)
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  const kept = join(cluster.directory, 'kept')
  for (const { id } of cluster.nodes) {
    await cp(cluster.dataDirectory(id), join(kept, String(id)), { recursive: true })
    await flipByteOf('kept/150', cluster.dataDirectory(id))
  }
  const temporary = join(cluster.directory, 'temporary')
  await mkdir(temporary)
  const starts = cluster.nodes.map((node) => node.start({ TMPDIR: temporary }).catch((error: Error) => error))
  for (const node of cluster.nodes)
    await eventually(`node ${node.id} says what nobody has`, REPAIR_MS, () =>
      /can not be restored.*/.test(node.output()) && /nobody has entry \d+ of term \d+/.test(node.output())
        ? true
        : undefined,
    )
  await sleep(ELECTIONS_MS)
  for (const node of cluster.nodes) {
    assert.ok(node.isRunning)
    assert.doesNotMatch(node.output(), /is ready.*is ready/s)
    assert.ok(!(await readdir(cluster.dataDirectory(node.id))).includes('set-aside'))
  }
  assert.equal((await readdir(temporary)).length, 3, 'each looks at a view of its disk')
  await Promise.all(cluster.nodes.map((node) => node.stop()))
  await Promise.all(starts)
  assert.deepEqual(await readdir(temporary), [])

  // Two disks come back as they were: they are a majority, and the third is made anew from them.
  for (const id of [1, 2]) {
    await rm(cluster.dataDirectory(id), { recursive: true })
    await cp(join(kept, String(id)), cluster.dataDirectory(id), { recursive: true })
  }
  await Promise.all(cluster.nodes.map((node) => node.start()))
  await isVoter(cluster, 1_003)
  assert.ok((await keeper.withLock('kept/0', async (lock) => lock.token)) > token)
})

test('a repaired node that an operator has removed stays out when it is started again', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses)
  await keeper.withLock('before', () => {})
  const node = cluster.node(3)
  await node.kill()
  await empty(cluster.dataDirectory(3))
  await node.start()
  await isVoter(cluster, 1_003)
  using operator = new Operator(cluster.clientAddresses)
  await operator.change('removeMember', { id: 1_003 }, () => false)
  await node.kill()
  const from = node.output().length
  await node.start()
  await eventually('the node sees that it was removed', REPAIR_MS, () =>
    /removed from the cluster: the node stays out/.test(node.output(from)) ? true : undefined,
  )
  const { members } = await operator.members()
  assert.deepEqual(members.map(({ id }) => id).sort(), [1, 2])
})

async function isVoter(cluster: LocalCluster, member: number): Promise<void> {
  using operator = new Operator(cluster.clientAddresses)
  await eventually(`member ${member} is a voter, and the one before it is gone`, REPAIR_MS, async () => {
    const { members, changing } = await operator.members()
    const own = members.find(({ id }) => id === member)
    return (!changing && own?.voter && own.connected && members.length === cluster.nodes.length) || undefined
  })
}

async function rollBack(directory: string, cluster: LocalCluster): Promise<void> {
  await rm(join(directory, 'db'), { recursive: true })
  await cp(join(cluster.directory, 'earlier', 'db'), join(directory, 'db'), { recursive: true })
}

async function empty(directory: string): Promise<void> {
  await rm(directory, { recursive: true })
}
