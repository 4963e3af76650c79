import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { Operator } from '../../src/client/operator.js'
import { eventually } from './eventually.js'

const ROUNDS = 2
const LOCKS = 100
/** Longer than any election: a node that would vote on an empty disk has done so by then. */
const HEAD_START_MS = 3_000
const WORK_MS = 2_000
const TOLD_MS = 10_000
const HEALED_MS = 40_000
const RANDOM_LOSSES = 8

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

test('a node that one peer has told of its earlier copy votes for nobody, whoever restarts (fault 26)', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  const [directory, copy] = [cluster.dataDirectory(3), join(cluster.directory, 'earlier')]
  await acquired(cluster, 'first', LOCKS)
  await cluster.node(3).stop()
  await cp(directory, copy, { recursive: true })
  await cluster.node(3).start()
  await cluster.settled()
  // Peers are told every tenth of a second what node 3 has on disk.
  let second = 0
  for (const endMs = performance.now() + WORK_MS; performance.now() < endMs; )
    second = await acquired(cluster, 'second', 1)
  await Promise.all([2, 3].map((id) => cluster.node(id).kill()))
  await rm(directory, { recursive: true })
  await rename(copy, directory)
  await cluster.node(3).start()
  await eventually('node 1 tells node 3', TOLD_MS, () =>
    /fenced off.*/.test(cluster.node(3).output()) ? true : undefined,
  )
  // From now on nobody remembers what node 3 had but itself.
  await Promise.all([1, 3].map((id) => cluster.node(id).kill()))
  await Promise.all([2, 3].map((id) => cluster.node(id).start()))
  await sleep(HEAD_START_MS)
  for (const id of [2, 3]) assert.equal((await cluster.status(id))?.topology?.leader, 0)
  await cluster.node(1).start()
  assert.ok((await acquired(cluster, 'third', 1)) > second)
})

test('a cluster heals from any sequence of lost disks, one at a time (faults 17, 30)', {
  timeout: 280_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  let token = await acquired(cluster, 'before', LOCKS)
  const members = [1, 2, 3]
  // The last ones are lost by nodes all of whose peers have been made anew since their files were written.
  const losers = [...Array.from({ length: RANDOM_LOSSES }, () => randomInt(1, 4)), 2, 3, 1, 1]
  t.diagnostic(`the disks of nodes ${losers} are lost`)
  for (const id of losers) {
    await cluster.node(id).kill()
    await rm(cluster.dataDirectory(id), { recursive: true })
    await cluster.node(id).start()
    members[id - 1]! += 1_000
    await areVoters(cluster, members)
    const next = await acquired(cluster, `loss/${members}`, 1)
    assert.ok(next > token)
    token = next
  }
})

async function areVoters(cluster: LocalCluster, ids: readonly number[]): Promise<void> {
  using operator = new Operator(cluster.clientAddresses)
  await eventually(`the voters are ${ids}`, HEALED_MS, async () => {
    const { members } = await operator.members()
    const voters = members.filter(({ voter, connected }) => voter && connected).map(({ id }) => id)
    return (members.length === ids.length && ids.every((id) => voters.includes(id))) || undefined
  })
}

/** The greatest token of so many locks, each of a name of its own. */
async function acquired(cluster: LocalCluster, prefix: string, count: number): Promise<number> {
  await using keeper = await connect(cluster.addresses)
  const locks = await Promise.all(Array.from({ length: count }, (_, k) => keeper.lock(`${prefix}/${k}`)))
  return Math.max(...locks.map(({ token }) => token))
}
