import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { assertNothingLost, Load } from './load.js'
import { UnarySession } from './unary-session.js'

const KILLS_OF_LEADER = 5
const KILLS_OF_ALL = 3
const FIRST_GRANT_MS_MAX = 1_500
const LONG_TTL_MS = 60_000

test('kill -9 of the leader under load loses nothing, and is over in 1.5 s', {
  timeout: 90_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  await using load = await Load.start(cluster)
  const tookMs: number[] = []
  for (let round = 1; round <= KILLS_OF_LEADER; round++) {
    await load.progress()
    const leader = await cluster.leader()
    await leader.kill()
    tookMs.push(await load.firstGrant(`first/${round}`))
    await leader.start()
  }
  t.diagnostic(`kill -9 of the leader to the first grant: ${tookMs.map(Math.round).join(', ')} ms`)
  await assertNothingLost(t, load)
  for (const ms of tookMs) assert.ok(ms <= FIRST_GRANT_MS_MAX, `the first grant came after ${ms} ms`)
})

test('kill -9 of all nodes at once under load loses nothing', { timeout: 90_000 }, async (t) => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: LONG_TTL_MS })
  using session = new UnarySession(cluster.clientAddress(1))
  await session.open(LONG_TTL_MS)
  const [lock, token] = [await keeper.lock('held/by-keeper'), await session.acquire('held/by-session', 0)]

  await using load = await Load.start(cluster)
  for (let round = 1; round <= KILLS_OF_ALL; round++) {
    await load.progress()
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.leader()
  }
  await load.progress()

  assert.equal(lock.state, 'held')
  const holders = [await keeper.get('held/by-keeper'), await keeper.get('held/by-session')].map(
    ({ holders: [holder] }) => holder?.token,
  )
  assert.deepEqual(holders, [lock.token, token])
  // A session goes on, wherever its client turns to.
  using resumed = session.at(cluster.clientAddress(2))
  await resumed.keepAlive()
  await resumed.release(token)
  assert.equal(await lock.release(), 'released')
  await assertNothingLost(t, load)
})
