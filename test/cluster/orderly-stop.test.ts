import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { assertNothingLost, Load } from './load.js'

test('nodes that are stopped in order, one after the other, fail no request', {
  timeout: 90_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  await using load = await Load.start(cluster)
  const follower = ((await cluster.leader()).id % 3) + 1
  for (const stopped of [() => cluster.node(follower), () => cluster.leader(), () => cluster.leader()]) {
    await load.progress()
    const node = await stopped()
    const leads = node === (await cluster.leader())
    const [exit, tookMs] = await Promise.all([node.kill('SIGTERM'), load.firstGrant(`stop/${node.pid}`)])
    t.diagnostic(
      `SIGTERM to the ${leads ? 'leader' : 'follower'}: first grant after ${Math.round(tookMs)} ms`,
    )
    assert.deepEqual(exit, { code: 0, signal: null }, node.output().slice(-1_000))
    await node.start()
  }
  await assertNothingLost(t, load)
})
