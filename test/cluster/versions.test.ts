import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { Operator } from '../../src/client/operator.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { EarlierVersion, NO_HISTORY } from './earlier-version.js'
import { eventually } from './eventually.js'
import { assertNothingLost, Load } from './load.js'

const RISE_MS = 20_000

test('a cluster is upgraded node by node, and back as long as one node is old, under load (fault 18)', {
  timeout: 240_000,
  skip: NO_HISTORY,
}, async (t) => {
  await using version = await EarlierVersion.build()
  const earlier = version.main
  await using cluster = await LocalCluster.create({ checkpointMiB: 1 })
  await Promise.all(cluster.nodes.map((node) => node.start({}, earlier)))
  await cluster.leader()
  await using load = await Load.start(cluster)
  const restart = async (id: number, main?: string): Promise<void> => {
    await load.progress()
    await cluster.node(id).stop()
    await cluster.node(id).start({}, main)
    await load.progress()
  }
  const level = async (id: number): Promise<number | undefined> => (await cluster.status(id))?.featureLevel

  await restart(1)
  await restart(1, earlier)
  await restart(1)
  await restart(2)
  // The new version leads, and still does only what the old one knows.
  using operator = new Operator(cluster.clientAddresses)
  await operator.change('transferLeadership', { to: 1 }, ({ leader }) => leader === 1)
  await load.progress()
  assert.deepEqual([await level(1), await level(2)], [0, 0])
  await restart(3)
  for (const { id } of cluster.nodes)
    await eventually(
      `node ${id} is on level ${FEATURE_LEVEL}`,
      RISE_MS,
      async () => (await level(id)) === FEATURE_LEVEL || undefined,
    )
  await assertNothingLost(t, load)
  for (const node of cluster.nodes)
    assert.doesNotMatch(node.output(), /diverged|the machines of two nodes differ/)

  await cluster.node(3).stop()
  await cluster
    .node(3)
    .start({}, earlier)
    .catch((error: Error) => t.diagnostic(error.message.split('\n')[0]!))
  const others = [cluster.node(1), cluster.node(2)]
  await eventually('an old node is turned away, or can not start', RISE_MS, () => {
    const isTurnedAway = others.every((node) =>
      /the version of node 3 knows level 0: upgrade it/.test(node.output()),
    )
    return isTurnedAway || /upgrade this node/.test(cluster.node(3).output()) || undefined
  })
  await cluster.leader(others)
  await cluster.node(3).stop()
  await cluster.node(3).start()
  await cluster.leader()
})
