import assert from 'node:assert/strict'
import { readdir, rm } from 'node:fs/promises'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { eventually } from './eventually.js'
import { UnarySession } from './unary-session.js'

const REFUSED_MS = 20_000
const LONG_TTL_MS = 60_000

test('a majority that starts over with empty disks does not mix with the node that kept its own, and nobody gives up a disk', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  const [one, two, three] = [cluster.node(1), cluster.node(2), cluster.node(3)]
  using before = new UnarySession(cluster.clientAddress(3))
  await before.open(LONG_TTL_MS)
  for (const name of ['a', 'b', 'c']) await before.acquire(name, 0)
  await Promise.all(cluster.nodes.map((node) => node.kill()))
  for (const { id } of [one, two]) await rm(cluster.dataDirectory(id), { recursive: true })

  await Promise.all([one.start(), two.start()])
  await cluster.leader([one, two])
  using session = new UnarySession(cluster.clientAddress(1))
  await session.open(LONG_TTL_MS)
  assert.equal(await session.acquire('a', 0), 1, 'whoever knew of the tokens before is away')
  await three.start()
  for (const node of cluster.nodes)
    await eventually(
      `node ${node.id} is told`,
      REFUSED_MS,
      () => /is of another incarnation of cluster/.test(node.output()) || undefined,
    )
  assert.equal(await session.acquire('b', 0), 2)
  for (const { id } of cluster.nodes) {
    assert.ok(!(await readdir(cluster.dataDirectory(id))).includes('set-aside'), `node ${id}`)
    assert.doesNotMatch(cluster.node(id).output(), /stopped itself|differ/)
  }
})
