import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BreakableCluster } from '../../scripts/cluster/breakable-cluster.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { agree, assertSameLogs } from './agreement.js'
import { eventually, within } from './eventually.js'
import { assertNothingLost, Load } from './load.js'
import { Disk, NO_STRACE } from './strace.js'
import { UnaryError, UnarySession } from './unary-session.js'

const SOON_MS = 10_000
const TTL_MS = 60_000
const EXIT_FATAL = 70
/** An election timeout is 0.6 s; what is traced is slow, and the machine has other things to do as well. */
const STEP_DOWN_MS_MAX = 2_000
/** It steps down, and then the others wait for their election timeout, up to 1.2 s. */
const REPLACED_MS_MAX = 4_000
const WATCH_MS = 1_500

test('a node whose fsync fails acknowledges nothing and stops; what it was writing may be there or not (fault 27)', {
  skip: NO_STRACE,
  timeout: 60_000,
}, async () => {
  await using cluster = await LocalCluster.start({ nodes: 1 })
  const node = cluster.node(1)
  using session = new UnarySession(cluster.clientAddress(1))
  await session.open(TTL_MS)
  const before = await session.acquire('before', 0)
  const [early, late] = [session.at(cluster.clientAddress(1)), session.at(cluster.clientAddress(1))]

  await using _disk = await Disk.fail(node.pid!)
  await assert.rejects(early.acquire('unknown', 0), UnaryError)
  const exit = await within('the node ends', SOON_MS, node.ended)
  assert.deepEqual(exit, { code: EXIT_FATAL, signal: null })
  assert.match(node.output(), /stopped itself: the disk failed .*check disk and free space/)

  await node.start()
  await cluster.leader()
  // The same numbers: whether it was written or not, there is one grant now.
  const token = await late.acquire('unknown', 0)
  assert.equal(token, before + 1)
  await late.release(token)
  await late.release(before)
  early[Symbol.dispose]()
  late[Symbol.dispose]()
})

test('a leader whose fsync fails is replaced, and no work is lost (fault 27)', {
  skip: NO_STRACE,
  timeout: 60_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  await using load = await Load.start(cluster)
  await load.progress()
  const leader = await cluster.leader()
  await using _disk = await Disk.fail(leader.pid!)
  const exit = await within('the node ends', SOON_MS, leader.ended)
  assert.equal(exit?.code, EXIT_FATAL)
  await load.firstGrant('elsewhere')
  await leader.start()
  await assertNothingLost(t, load)
  await agree(cluster)
  await assertSameLogs(cluster)
})

test('a leader whose disk stalls steps down, another leads, and it follows when the disk is back (fault 28)', {
  skip: NO_STRACE,
  timeout: 60_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const held = await keeper.lock('held')
  const old = await cluster.leader()
  const others = cluster.others(old.id)

  await using disk = await Disk.stall(old.pid!)
  const stalledMs = performance.now()
  const during = keeper.lock('during')
  await eventually('it steps down', STEP_DOWN_MS_MAX, async () => {
    const status = await cluster.status(old.id)
    return status !== undefined && status.role !== 'leader' ? true : undefined
  })
  const steppedDownMs = performance.now() - stalledMs
  const next = await cluster.leader(others)
  const replacedMs = performance.now() - stalledMs
  t.diagnostic(
    `stepped down after ${Math.round(steppedDownMs)} ms, replaced after ${Math.round(replacedMs)} ms`,
  )
  assert.ok(replacedMs <= REPLACED_MS_MAX, `replaced after ${replacedMs} ms`)
  const locks = [await within('a lock is granted', SOON_MS, during)]
  locks.push(await within('another is granted', SOON_MS, keeper.lock('during/2')))

  // Nothing that the zombie says unsettles anybody.
  const { term } = (await cluster.status(next.id))!
  await sleep(WATCH_MS)
  const roles = await Promise.all(cluster.nodes.map(({ id }) => cluster.status(id)))
  assert.deepEqual(
    roles.map((status) => [status?.nodeId === next.id, status?.role === 'leader']),
    cluster.nodes.map(({ id }) => [id === next.id, id === next.id]),
  )
  assert.equal((await cluster.status(next.id))!.term, term)

  await disk.recover()
  await agree(cluster)
  assert.equal((await cluster.leader()).id, next.id)
  for (const lock of [held, ...locks]) assert.equal(await lock.release(), 'released')
  await keeper.close()
  await assertSameLogs(cluster)
})

test('a follower whose disk stalls holds nobody up (fault 28)', {
  skip: NO_STRACE,
  timeout: 60_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  const leader = await cluster.leader()
  const follower = cluster.others(leader.id)[0]!
  await using load = await Load.start(cluster, [leader])
  await load.progress()
  const { term } = (await cluster.status(leader.id))!
  await using disk = await Disk.stall(follower.pid!)
  await load.progress()
  await sleep(WATCH_MS)
  assert.equal((await cluster.status(leader.id))!.term, term)
  await disk.recover()
  await assertNothingLost(t, load)
  await agree(cluster)
  await assertSameLogs(cluster)
})

test('what a new leader truncates while it is still on its way to the disk is gone (fault 7)', {
  skip: NO_STRACE,
  timeout: 60_000,
}, async () => {
  await using net = await BreakableCluster.start()
  const { cluster } = net
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const old = await cluster.leader()
  using pinned = new UnarySession(cluster.clientAddress(old.id))
  await pinned.open(TTL_MS)
  const { commitIndex, term } = (await cluster.status(old.id))!

  // Its last entries reach neither a follower nor the disk.
  net.isolate(old.id)
  await using disk = await Disk.stall(old.pid!)
  await assert.rejects(pinned.acquire('never', 0, 1_000), { code: 'NO_LEADER' })
  await cluster.leader(cluster.others(old.id))
  const lock = await within('a lock is granted elsewhere', SOON_MS, keeper.lock('other'))
  net.heal()
  await eventually('the old leader follows', SOON_MS, async () => {
    const status = await cluster.status(old.id)
    return status !== undefined && status.term > term && status.topology?.leader !== 0 ? true : undefined
  })

  await disk.recover()
  await agree(cluster)
  assert.equal(await lock.release(), 'released')
  assert.ok((await cluster.status(old.id))!.commitIndex > commitIndex)
  await keeper.close()
  await assertSameLogs(cluster)
})
