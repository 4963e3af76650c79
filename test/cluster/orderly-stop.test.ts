import assert from 'node:assert/strict'
import { test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { LockkeeperClient } from '../../src/protocol/lockkeeper.js'
import { verifyDisk } from '../../src/verification/verify-disk.js'
import { acquire, RawStream } from '../api/raw-stream.js'
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

test('a leader that stops sends nobody away before it has said who leads now', {
  timeout: 60_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  const leader = await cluster.leader()
  const client = new LockkeeperClient(cluster.clientAddress(leader.id), credentials.createInsecure())
  const stream = await RawStream.attach(client)
  const exit = leader.kill('SIGTERM')
  // Asked while nobody leads, or somebody else does.
  stream.ask(1, 1, acquire('meanwhile'))
  const { code } = await stream.end()
  assert.equal(code, 'STOPPING')
  assert.match(stream.answers(1, 1).join(), /^granted \d+$/)
  const leaders = stream.frames.flatMap(({ topology }) => topology?.leader ?? [])
  assert.ok(![0, leader.id].includes(leaders.at(-1)!), `it named the leaders ${leaders.join(', ')}`)
  assert.deepEqual(await exit, { code: 0, signal: null })
  client.close()
})

test('a node that was stopped in order has all that it had applied in its checkpoint', {
  timeout: 60_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  const follower = cluster.others((await cluster.leader()).id)[0]!
  const keeper = await connect(cluster.addresses)
  // For longer than until the checkpoint that is made after the nodes have registered their disks.
  for (const endMs = performance.now() + 2_000; performance.now() < endMs; )
    await keeper.lock('held', { waitMs: 0 }).then((lock) => lock.release())
  await keeper.close()
  await cluster.settled()
  assert.deepEqual(await follower.kill('SIGTERM'), { code: 0, signal: null })
  const disk = await verifyDisk(cluster.dataDirectory(follower.id))
  assert.ok(disk.kind === 'sound')
  assert.ok(disk.applied > 20)
  assert.equal(disk.checkpoint?.index, disk.applied)
})
