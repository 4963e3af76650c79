import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXIT } from '../../src/cli/exit-codes.js'
import { GrpcConnector } from '../../src/client/grpc-connector.js'
import { connect } from '../../src/client/index.js'
import { ChangingCluster } from './changing-cluster.js'
import { assertNothingLost, Load } from './load.js'

const TIMEOUT = { timeout: 120_000 }
const TTL_MS = 30_000
/** More than a learner may lag. */
const ENTRIES = 150

test('a node joins as a learner, catches up, and gets a vote', TIMEOUT, async () => {
  await using cluster = await ChangingCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const lock = await keeper.lock('held')
  const { peer, client } = await cluster.newcomer(4)

  const told = await cluster.operate('members', 'add', '4', peer, client, '--learner')
  assert.match(told, /Node 4 is a learner now/)
  const { members } = await cluster.members()
  const { matchIndex: _, connected: __, ...fourth } = members[3]!
  assert.deepEqual(fourth, { id: 4, peerAddress: peer, clientAddress: client, voter: false })

  assert.match(await cluster.operate('members', 'promote', '4'), /Node 4 is a voter now/)
  await cluster.voters(1, 2, 3, 4)
  assert.match(await cluster.operate('transfer', '4'), /Node 4 leads/)
  assert.equal(lock.state, 'held')
  assert.equal(await lock.release(), 'released')
})

test(
  'under load the cluster grows to five, loses its leader by removal, shrinks to three, and nothing fails',
  TIMEOUT,
  async (t) => {
    await using cluster = await ChangingCluster.start()
    await using load = await Load.start(cluster.original, [])
    await cluster.join(4)
    await cluster.join(5)
    await cluster.voters(1, 2, 3, 4, 5)
    await load.progress()

    const { leader } = await cluster.members()
    await cluster.operate('members', 'remove', String(leader))
    const rest = [1, 2, 3, 4, 5].filter((id) => id !== leader)
    await load.progress()
    assert.notEqual((await cluster.voters(...rest)).leader, leader)
    await cluster.node(leader).stop()

    const follower = rest.find((id) => id < 4)!
    await cluster.operate('members', 'remove', String(follower))
    await cluster.voters(...rest.filter((id) => id !== follower))
    await assertNothingLost(t, load)
  },
)

test('a leader that is removed answers first, ten times out of ten', { timeout: 300_000 }, async () => {
  await using cluster = await ChangingCluster.start()
  for (let id = 4; id < 14; id++) {
    const { client } = await cluster.join(id)
    cluster.addresses += `,${client}`
    const { leader } = await cluster.members()
    const told = await cluster.operate('members', 'remove', String(leader))
    assert.match(told, new RegExp(`Node ${leader} is no member any more`))
    await cluster.operate('members', 'remove', String(leader))
    await cluster.node(leader).kill()
  }
})

test(
  'a client that knows the first three nodes goes on when they have been replaced, one after the other, under load',
  TIMEOUT,
  async (t) => {
    await using cluster = await ChangingCluster.start()
    await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
    const lock = await keeper.lock('held')
    await using load = await Load.start(cluster.original, [])
    for (const old of [1, 2, 3]) {
      await cluster.node(old).kill()
      await cluster.operate('members', 'remove', String(old))
      const { client } = await cluster.join(old + 3)
      cluster.addresses += `,${client}`
    }
    await load.progress()
    assert.equal(lock.state, 'held')

    // What they know of each other is on their own disks.
    await Promise.all([4, 5, 6].map((id) => cluster.node(id).kill()))
    await Promise.all([4, 5, 6].map((id) => cluster.node(id).start()))
    await cluster.voters(4, 5, 6)
    assert.equal(await lock.release(), 'released')
    await assertNothingLost(t, load)
  },
)

test(
  'a member that was away while all others were replaced is told by those that it has never heard of',
  TIMEOUT,
  async () => {
    await using cluster = await ChangingCluster.start()
    await cluster.node(1).stop()
    for (const old of [2, 3]) {
      const { client } = await cluster.join(old + 2)
      cluster.addresses += `,${client}`
      await cluster.operate('members', 'remove', String(old))
      await cluster.node(old).stop()
    }
    await cluster.voters(1, 4, 5)
    await cluster.node(1).start()
    await cluster.operate('transfer', '1')
    assert.equal((await cluster.members()).leader, 1)
  },
)

test('what makes no sense is refused, and says what would', TIMEOUT, async (t) => {
  await using cluster = await ChangingCluster.start()
  await using keeper = await connect(cluster.addresses)
  for (let k = 0; k < ENTRIES; k++) await (await keeper.lock('log')).release()
  const leader = await cluster.original.leader()
  const [first, second] = cluster.original.others(leader.id)
  const refused = async (code: number, message: RegExp, ...args: string[]): Promise<void> => {
    const ended = await cluster.attempt(...args)
    assert.match(ended.stderr, message)
    assert.equal(ended.code, code, ended.stderr)
  }

  await refused(EXIT.usage, /node 3 is a voter already/, 'members', 'add', '3', '10.0.0.3:1', '10.0.0.3:2')
  await cluster.operate('members', 'promote', '1')
  await cluster.operate('members', 'remove', '9')
  const taken = cluster.original.clientAddress(2)
  await refused(EXIT.usage, /is an address of node 2/, 'members', 'add', '4', '10.0.0.4:1', taken)
  await refused(
    EXIT.usage,
    /no host:port that others can reach/,
    'members',
    'add',
    '4',
    '0.0.0.0:1',
    '10.0.0.4:2',
  )
  await refused(EXIT.usage, /no host:port/, 'members', 'add', '4', 'nowhere', '10.0.0.4:2')
  await refused(EXIT.usage, /node 9 is no member/, 'members', 'promote', '9')
  await refused(EXIT.usage, /node 9 is no voter/, 'transfer', '9')

  const foreign = await cluster.newcomer(4, { clusterId: 'green' })
  await cluster.operate('members', 'add', '4', foreign.peer, foreign.client, '--learner')
  await refused(EXIT.notNow, /nothing is heard of node 4/, 'members', 'promote', '4')
  assert.match(foreign.node.output(), /you are of cluster 'local' and node 4 is of cluster 'green'/)
  await cluster.operate('members', 'remove', '4')

  const connector = new GrpcConnector()
  t.after(() => connector.close())
  await assert.rejects(connector.call(cluster.original.clientAddress(first!.id), 'listMembers', {}, 5_000), {
    code: 'NOT_LEADER',
    message: new RegExp(`ask node ${leader.id} at ${cluster.original.clientAddress(leader.id)}`),
  })

  const address = cluster.original.clientAddress(leader.id)
  const add = (id: number) => ({ id, peerAddress: `127.0.0.1:${id}`, clientAddress: `127.0.0.1:1${id}` })
  const both = await Promise.allSettled(
    [5, 6].map((id) => connector.call(address, 'addMember', add(id), 10_000)),
  )
  const busy = both.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))
  assert.deepEqual(busy, ['BUSY'], 'one change at a time')

  for (const node of [first!, second!]) node.freeze()
  await assert.rejects(connector.call(address, 'addMember', add(7), 5_000), { code: /NO_LEADER|TIMEOUT/ })
  for (const node of [first!, second!]) node.thaw()
  await cluster.original.leader()

  // What is left would have no majority.
  const { leader: now } = await cluster.members()
  const [dead, alive] = cluster.original.others(now)
  await dead!.kill()
  await refused(
    EXIT.notNow,
    /only 1 of the 2 voters that there would be/,
    'members',
    'remove',
    String(alive!.id),
  )
})

test('only the first start says whether a node joins: later ones go by its disk', TIMEOUT, async () => {
  await using cluster = await ChangingCluster.start()
  const { node, peer, client } = await cluster.newcomer(4)
  await node.kill()
  await cluster.again(4, false).start()
  await cluster.operate('members', 'add', '4', peer, client)
  await cluster.original.node(1).kill()
  await cluster.again(1, true).start()
  await cluster.operate('transfer', '4')
  await cluster.operate('transfer', '1')
  await cluster.voters(1, 2, 3, 4)
})

test(
  'a node that founded a cluster of its own is not mixed with another that has the same name',
  TIMEOUT,
  async () => {
    await using cluster = await ChangingCluster.start()
    const { node, peer, client } = await cluster.newcomer(4, { joins: false })
    cluster.addresses = client
    assert.equal((await cluster.members()).leader, 4)
    cluster.addresses = cluster.original.addresses
    await cluster.operate('members', 'add', '4', peer, client, '--learner')
    const { code, stderr } = await cluster.attempt('members', 'promote', '4')
    assert.match(stderr, /nothing is heard of node 4; see that it was started with --join/)
    assert.equal(code, EXIT.notNow)
    assert.match(node.output(), /node \d is of another incarnation of cluster/)
    assert.ok(node.isRunning)
    await cluster.operate('members', 'remove', '4')
  },
)

test('the last voter stays; who was removed serves nobody', TIMEOUT, async (t) => {
  await using cluster = await ChangingCluster.start()
  await cluster.operate('transfer', '1')
  await cluster.operate('members', 'remove', '2')
  await cluster.operate('members', 'remove', '3')
  const { code, stderr } = await cluster.attempt('members', 'remove', '1')
  assert.match(stderr, /node 1 is the last voter; add and promote another one first/)
  assert.equal(code, EXIT.usage)

  const connector = new GrpcConnector()
  t.after(() => connector.close())
  const removed = cluster.original.clientAddress(2)
  await assert.rejects(connector.call(removed, 'getName', { name: 'a' }, 5_000), {
    code: 'NO_LEADER',
    message: /node 2 is no member of the cluster, as far as it knows/,
  })
})
