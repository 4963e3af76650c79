import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectOnlyTo } from '../../scripts/cluster/client-network.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type Keeper } from '../../src/client/index.js'
import { eventually, within } from './eventually.js'
import { assertHeld, hold } from './held-locks.js'
import { churn, MIB_BEYOND, SMALL, snapshots } from './log-growth.js'

/** More than what is on the way to a follower that does not answer, too. */
const MIB_BEYOND_FLIGHT = 24
const TTL_MS = 60_000
const CATCH_UP_MS = 30_000
const HELD = 300
const ROUNDS = 4
const MIB_PER_ROUND = 15
/** The log of ten checkpoints, twice that in what LevelDB has yet to clear away, and its buffers. */
const DISK_MIB_MAX = 40
/** What garbage waits to be collected differs from time to time. */
const RSS_GROWTH_MIB_MAX = 60

/** The node has applied all that another has, and holds the same of it. */
async function assertSame(cluster: LocalCluster, id: number, other: number): Promise<void> {
  await eventually(`node ${id} has what node ${other} has`, CATCH_UP_MS, async () => {
    const [one, two] = await Promise.all([cluster.status(id), cluster.status(other)])
    if (one === undefined || two === undefined) return undefined
    const same = one.names === two.names && one.sessions === two.sessions
    return (same && one.appliedIndex >= two.commitIndex) || undefined
  })
}

test('a follower that was away for longer than the log reaches back gets a snapshot, and serves', {
  timeout: 180_000,
}, async (t: TestContext) => {
  await using cluster = await LocalCluster.start(SMALL)
  await using keeper = await connect(cluster.addresses, { label: 'holder', ttlMs: TTL_MS })
  const leader = await cluster.leader()
  const follower = cluster.others(leader.id)[0]!
  const locks = await hold(keeper, HELD)
  await follower.kill()
  await churn(keeper, MIB_BEYOND)
  const startedMs = performance.now()
  await follower.start()
  await eventually('it has a snapshot', CATCH_UP_MS, () => snapshots(follower) || undefined)
  t.diagnostic(`caught up ${Math.round(performance.now() - startedMs)} ms after its start`)
  await assertSame(cluster, follower.id, leader.id)

  await using attached = await connectOnlyTo(cluster, follower.id, { label: 'attached', ttlMs: TTL_MS })
  await assertHeld(attached, locks)
  const last = await attached.lock('through the follower')
  assert.ok(last.token > Math.max(...locks.map(({ token }) => token)))

  // Its vote counts like any other, and its log goes on from the snapshot.
  await leader.kill()
  await last.release()
  await follower.kill()
  await follower.start()
  await (await attached.lock('after another start')).release()
  await assertHeld(attached, locks)
  assert.equal(snapshots(follower), 1)
})

test('clients of a follower that leaps ahead ask again, and each gets its answer exactly once', {
  timeout: 180_000,
}, async () => {
  await using cluster = await LocalCluster.start(SMALL)
  await using keeper = await connect(cluster.addresses, { label: 'holder', ttlMs: TTL_MS })
  const leader = await cluster.leader()
  const follower = cluster.others(leader.id)[0]!
  await using attached = await connectOnlyTo(cluster, follower.id, { label: 'attached', ttlMs: TTL_MS })
  const busy = await keeper.lock('busy')
  const given = attached.lock('busy')
  await eventually('it stands in the queue', 5_000, async () =>
    (await keeper.get('busy')).waiters.length === 1 ? true : undefined,
  )
  // Some of these are under way when the follower stops: said, and not answered; or not even said.
  const asked = Array.from({ length: 100 }, (_, k) => attached.lock(`asked/${k}`))
  follower.freeze()
  await busy.release()
  await churn(keeper, MIB_BEYOND_FLIGHT)
  const { holders } = await keeper.get('busy')
  follower.thaw()
  await eventually('it has a snapshot', CATCH_UP_MS, () => snapshots(follower) || undefined)
  const lock = await within('the lock that became free unseen', CATCH_UP_MS, given)
  assert.deepEqual(
    holders.map(({ token }) => token),
    [lock.token],
  )
  const locks = await within('all that was asked', CATCH_UP_MS, Promise.all(asked))
  for (const [k, { token }] of locks.entries()) {
    const state = await keeper.get(`asked/${k}`)
    assert.deepEqual(
      state.holders.map((holder) => holder.token),
      [token],
    )
    assert.equal(state.waiters.length, 0)
  }
  assert.equal(new Set(locks.map(({ token }) => token)).size, 100)
})

test('endless taking and releasing leaves a node as small as it was', { timeout: 240_000 }, async (t) => {
  await using cluster = await LocalCluster.start(SMALL)
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const settled = await afterChurn(cluster, keeper)
  for (let round = 1; round <= ROUNDS; round++) {
    const { diskMib, rssMib } = await afterChurn(cluster, keeper)
    t.diagnostic(
      `after ${(round + 1) * MIB_PER_ROUND} MiB of log: ${diskMib} MiB on disk, ${rssMib} MiB of memory`,
    )
    assert.ok(diskMib <= DISK_MIB_MAX, `${diskMib} MiB on disk`)
    assert.ok(
      rssMib <= settled.rssMib + RSS_GROWTH_MIB_MAX,
      `${settled.rssMib} MiB of memory became ${rssMib}`,
    )
  }
})

/** Of the largest node. */
async function afterChurn(
  cluster: LocalCluster,
  keeper: Keeper,
): Promise<{ diskMib: number; rssMib: number }> {
  await churn(keeper, MIB_PER_ROUND)
  const sizes = await Promise.all(
    cluster.nodes.map(async ({ id, pid }) => ({
      diskMib: await mibIn(cluster.dataDirectory(id)),
      rssMib: Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)])) / 1024,
    })),
  )
  const largest = (key: 'diskMib' | 'rssMib') => Math.round(Math.max(...sizes.map((size) => size[key])))
  return { diskMib: largest('diskMib'), rssMib: largest('rssMib') }
}

/** LevelDB renames and removes files meanwhile. */
async function mibIn(directory: string): Promise<number> {
  const files = await readdir(directory, { recursive: true })
  const sizes = await Promise.all(
    files.map(async (file) => {
      const found = await stat(join(directory, file)).catch(() => undefined)
      return found?.isFile() ? found.size : 0
    }),
  )
  return sizes.reduce((sum, bytes) => sum + bytes, 0) / (1024 * 1024)
}

test('all nodes killed at once come back with what was held, the same tokens, and what was answered', {
  timeout: 180_000,
}, async (t: TestContext) => {
  await using cluster = await LocalCluster.start(SMALL)
  await using keeper = await connect(cluster.addresses, { label: 'holder', ttlMs: TTL_MS })
  await using waiter = await connect(cluster.addresses, { label: 'waiter', ttlMs: TTL_MS })
  const locks = await hold(keeper, HELD)
  const waiting = waiter.lock('held/0')
  await churn(keeper, MIB_BEYOND)
  let cycles = 0
  let isOver = false
  const working = Array.from({ length: 20 }, async (_, worker) => {
    while (!isOver) {
      await (await waiter.lock(`meanwhile/${worker}`)).release()
      cycles++
    }
  })
  for (let round = 0; round < 3; round++) {
    const before = cycles
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    const killedMs = performance.now()
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await eventually('work goes on', CATCH_UP_MS, () => cycles > before + 100 || undefined)
    t.diagnostic(
      `round ${round + 1}: work went on ${Math.round(performance.now() - killedMs)} ms after the kill`,
    )
    await assertHeld(waiter, locks)
  }
  isOver = true
  await within('nothing is lost on the way', CATCH_UP_MS, Promise.all(working))
  assert.equal(await locks[0]!.release(), 'released')
  const next = await within('the next in line', 10_000, waiting)
  assert.ok(next.token > Math.max(...locks.map(({ token }) => token)))
  for (const { id } of cluster.nodes.slice(1)) await assertSame(cluster, id, 1)
})
