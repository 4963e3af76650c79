import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect } from '../../src/client/index.js'
import { eventually } from './eventually.js'

const REFUSE = new URL('./refuse-one-claim.js', import.meta.url).href
const REFUSED_NAME = 'divergence/refused-by-one'
const STOP_MS = 20_000

test('a node whose machine decides otherwise than its peers stops, and they go on (fault 13)', {
  timeout: 90_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  const leader = await cluster.leader()
  const wrong = cluster.node((leader.id % 3) + 1)
  await wrong.stop()
  await wrong.start({ NODE_OPTIONS: `--import ${REFUSE}`, REFUSED_NAME })

  await using keeper = await connect(cluster.addresses)
  const tokenOf = (name: string): Promise<number> => keeper.withLock(name, async ({ token }) => token)
  // As long as no verdict differs, it is a node like the others, though it was started anew.
  const before = await tokenOf('divergence/granted-by-all')
  for (const endMs = performance.now() + 3_000; performance.now() < endMs; ) await tokenOf('divergence/time')
  assert.ok(wrong.isRunning, wrong.output().slice(-2_000))

  const parted = await tokenOf(REFUSED_NAME)
  await eventually('the node that differs stops', STOP_MS, async () => {
    await tokenOf('divergence/time')
    return wrong.isRunning ? undefined : true
  })
  const { code } = (await wrong.kill())!
  assert.equal(code, EXIT.fatal)
  assert.match(wrong.output(), /"DivergedError"/)
  assert.match(wrong.output(), /stopped itself: this node has diverged: after entry \d+ its digest is \d+/)
  assert.match(wrong.output(), /empty data directory under a new id/)

  const others = cluster.others(wrong.id)
  for (const node of others) {
    assert.ok(node.isRunning)
    // The node that differs stops in the turn it knows, and may take its last word to its peers with it.
    const accused = node.output().match(/"peer":\d+(?=,.*the machines of two nodes differ)/g) ?? []
    for (const peer of accused) assert.equal(peer, `"peer":${wrong.id}`)
  }
  await cluster.leader(others)
  assert.ok(before < parted && parted < (await tokenOf(REFUSED_NAME)))
})
