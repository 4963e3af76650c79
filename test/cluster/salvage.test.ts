import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect, type Lock } from '../../src/client/index.js'
import { agree } from './agreement.js'
import { runCli } from './cli.js'
import { flipByteOf, flipByteOfCheckpoint, flipByteOfLog, flipBytesOfTable, zeroTailOfLog } from './damage.js'
import { eventually } from './eventually.js'
import { assertHeld, hold } from './held-locks.js'
import { assertNothingLost, Load } from './load.js'
import { churn, MIB_BEYOND, SMALL } from './log-growth.js'

const TTL_MS = 120_000
const REPAIR_MS = 60_000
const HELD = 300
const EACH_ROUND = 150
const RESTORED = /the disk holds again what it held: the node goes on as the member it was/

/** What happens to the disks of some nodes, when the locks with these names are the newest. */
type Damage = (names: readonly string[], directory: string) => Promise<void>

const at =
  (k: number): Damage =>
  (names, directory) =>
    flipByteOf(names[k]!, directory)
const ROUNDS: readonly [what: string, damages: readonly Damage[]][] = [
  ['each at another entry', [at(50), at(80), at(110)]],
  ['two at one entry: the third, which is sound and waits for them, is asked', [at(50), at(50)]],
  [
    'two at one entry: the third, which has lost its end and can only give, is asked',
    [at(5), at(5), endLost],
  ],
]

test('disks that are damaged all at once, but not everywhere at one entry, are restored from each other (fault 31)', {
  timeout: 300_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS, connectTimeoutMs: TTL_MS })
  const locks: Lock[] = []
  for (const [what, damages] of ROUNDS) {
    // In step, each node writes each of these by itself. One that catches up writes all at once, and one damage takes all.
    await cluster.settled()
    const names = Array.from({ length: EACH_ROUND }, (_, k) => `kept/${1_000 + locks.length + k}`)
    for (const name of names) locks.push(await keeper.lock(name))
    await cluster.settled()
    const from = cluster.nodes.map((node) => node.output().length)
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    for (const [k, damage] of damages.entries()) {
      await damage(names, cluster.dataDirectory(k + 1))
      assert.equal(await verifyExit(cluster.dataDirectory(k + 1)), EXIT.damaged)
    }
    const startedMs = performance.now()
    await startDamaged(cluster)
    t.diagnostic(`${what}: a leader after ${Math.round(performance.now() - startedMs)} ms`)
    const restored = cluster.nodes.filter((node, k) => RESTORED.test(node.output(from[k])))
    assert.ok(restored.length > 0, `${what}: without it there is no majority`)
    for (const {
      names: [name],
      token,
    } of locks) {
      const { holders } = await keeper.get(name!)
      assert.equal(holders[0]?.token, token)
    }
    const next = await keeper.withLock('next', async ({ token }) => token)
    assert.ok(locks.every(({ token, state }) => state === 'held' && token < next))
  }
  await keeper.close()
  await assertAllSound(cluster)
})

function endLost(_: readonly string[], directory: string): Promise<void> {
  return zeroTailOfLog(directory)
}

test('a checkpoint, a table and a log damaged on one node each, under load, are restored from each other (fault 31)', {
  timeout: 240_000,
}, async (t) => {
  await using cluster = await LocalCluster.start(SMALL)
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const held = await hold(keeper, HELD)
  await using load = await Load.start(cluster, [], TTL_MS)
  const damages = [flipByteOfCheckpoint, flipBytesOfTable, flipByteOfLog]
  await churn(keeper, MIB_BEYOND)
  // LevelDB makes a table of its log when it is opened.
  await cluster.node(2).stop()
  await cluster.node(2).start()
  await load.progress()
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  for (const [k, damage] of damages.entries()) await damage(cluster.dataDirectory(k + 1))
  const found = await Promise.all(cluster.nodes.map(({ id }) => verifyExit(cluster.dataDirectory(id))))
  assert.deepEqual(found, [EXIT.damaged, EXIT.damaged, EXIT.damaged])
  await startDamaged(cluster)
  assert.ok(cluster.nodes.some((node) => RESTORED.test(node.output())))
  await assertHeld(keeper, held)
  await Promise.all(held.map((lock) => lock.release()))
  await assertNothingLost(t, load)
  await keeper.close()
  await assertAllSound(cluster)
})

test('a node that is alone goes on when its checkpoint has what its log has lost (fault 31)', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.start({ ...SMALL, nodes: 1, logLevel: 'debug' })
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS, connectTimeoutMs: TTL_MS })
  const [node, directory] = [cluster.node(1), cluster.dataDirectory(1)]
  const early = await keeper.lock('early')
  await churn(keeper, 1)
  await eventually('there is a checkpoint', REPAIR_MS, () =>
    /checkpoint written/.test(node.output()) ? true : undefined,
  )
  await node.kill()
  await flipByteOf('early', directory)
  assert.equal(await verifyExit(directory), EXIT.damaged)
  await node.start()
  assert.match(node.output(), RESTORED)
  const { holders } = await keeper.get('early')
  assert.equal(holders[0]?.token, early.token)
  await early.release()
  await keeper.close()
  await assertAllSound(cluster)
})

/** Resolves when there is a leader. Until then no node is ready, for longer than it is else allowed to take. */
async function startDamaged(cluster: LocalCluster): Promise<void> {
  const starts = cluster.nodes.map((node) => node.start().catch(() => {}))
  await eventually('there is a leader', REPAIR_MS, () => cluster.leader().catch(() => undefined))
  await Promise.all(starts)
}

/** They have applied the same, and stop; nothing is wrong with what they say, nor with what they leave. */
async function assertAllSound(cluster: LocalCluster): Promise<void> {
  await agree(cluster)
  await Promise.all(cluster.nodes.map((node) => node.stop()))
  for (const node of cluster.nodes) {
    assert.doesNotMatch(node.output(), /machines of two nodes differ|has diverged/)
    assert.equal(await verifyExit(cluster.dataDirectory(node.id)), 0)
  }
}

async function verifyExit(directory: string): Promise<number | null> {
  const { code } = await runCli(['verify', '--data', directory])
  return code
}
