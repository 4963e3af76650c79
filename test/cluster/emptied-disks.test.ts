import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'

const ROUNDS = 2
const LOCKS = 100
/** Longer than any election: a node that would vote on an empty disk has done so by then. */
const HEAD_START_MS = 3_000

/** What nodes 1 and 3 acknowledged is on node 1 alone once the disk of node 3 is gone, and node 2 has never heard of it. */
test('a node on an emptied disk does not elect a node that restarted with it and lacks what it had acknowledged (fault 17)', {
  timeout: 240_000,
}, async (t) => {
  for (let round = 0; round < ROUNDS; round++) {
    await using cluster = await LocalCluster.start()
    const first = await acquired(cluster, 'first', LOCKS)
    await cluster.settled()
    await cluster.node(2).kill()
    const second = await acquired(cluster, 'second', LOCKS)
    assert.ok(second > first)
    await Promise.all([1, 3].map((id) => cluster.node(id).kill()))
    await rm(cluster.dataDirectory(3), { recursive: true })
    await Promise.all([2, 3].map((id) => cluster.node(id).start()))
    await sleep(HEAD_START_MS)
    await cluster.node(1).start()
    const third = await acquired(cluster, 'third', 1)
    t.diagnostic(`round ${round}: tokens up to ${first}, ${second}, then ${third}`)
    assert.ok(third > second, `token ${third} after ${second}: what was acknowledged is lost`)
  }
})

/** The greatest token of so many locks, each of a name of its own. */
async function acquired(cluster: LocalCluster, prefix: string, count: number): Promise<number> {
  await using keeper = await connect(cluster.addresses)
  const locks = await Promise.all(Array.from({ length: count }, (_, k) => keeper.lock(`${prefix}/${k}`)))
  return Math.max(...locks.map(({ token }) => token))
}
