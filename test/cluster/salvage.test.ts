import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect } from '../../src/client/index.js'
import { runCli } from './cli.js'
import { flipByteOf } from './damage.js'

const TTL_MS = 120_000

test('disks that are damaged all at once, each at another entry, are restored from each other (fault 31)', {
  timeout: 240_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS, connectTimeoutMs: TTL_MS })
  let token = 0
  for (let k = 100; k < 400; k++) token = await keeper.withLock(`kept/${k}`, async (lock) => lock.token)
  const held = await keeper.lock('held')
  await cluster.settled()
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  for (const { id } of cluster.nodes) await flipByteOf(`kept/${id}50`, cluster.dataDirectory(id))
  for (const { id } of cluster.nodes) assert.equal(await verifyExit(cluster.dataDirectory(id)), EXIT.damaged)

  await Promise.all(cluster.nodes.map((node) => node.start()))
  assert.ok((await keeper.withLock('kept/100', async (lock) => lock.token)) > held.token)
  assert.ok(held.token > token)
  assert.equal(held.state, 'held')
  await held.release()
  const leader = await cluster.settled()
  await Promise.all(cluster.nodes.map((node) => node.stop()))
  for (const node of cluster.nodes) {
    const directory = cluster.dataDirectory(node.id)
    assert.ok((await readdir(directory)).includes('set-aside'))
    assert.match(node.output(), /damaged/)
    assert.equal(await verifyExit(directory), 0)
  }
  assert.ok(leader)
})

async function verifyExit(directory: string): Promise<number | null> {
  const { code } = await runCli(['verify', '--data', directory])
  return code
}
