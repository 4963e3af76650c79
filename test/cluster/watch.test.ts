import assert from 'node:assert/strict'
import { test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { type Change, Change_Kind, LockkeeperClient } from '../../src/protocol/lockkeeper.js'
import { until } from '../api/one-node.js'
import { RawWatch } from '../api/raw-watch.js'
import { eventually } from './eventually.js'
import { churn, SMALL, snapshots } from './log-growth.js'

const ROUNDS = 12
const TTL_MS = 60_000
/** More than what is on the way to a follower that does not answer, too. */
const MIB_BEYOND_FLIGHT = 24
const CATCH_UP_MS = 30_000

function clientOf(cluster: LocalCluster, id: number): LockkeeperClient {
  return new LockkeeperClient(cluster.clientAddress(id), credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  })
}

async function upgraded(cluster: LocalCluster): Promise<void> {
  await until(async () => {
    const statuses = await Promise.all(cluster.nodes.map(({ id }) => cluster.status(id)))
    return statuses.every((status) => status?.featureLevel === FEATURE_LEVEL)
  })
}

test('has no gap and no repetition across nodes that are killed, the leader among them', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  await upgraded(cluster)
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  /** Tokens of those who held it, in order. */
  const held: number[] = []
  let isOver = false
  const working = (async () => {
    while (!isOver) {
      await using lock = await keeper.lock('handed on')
      held.push(lock.token)
    }
  })()
  const changes: Change[] = []
  let from: number | undefined
  let states = 0
  for (let round = 0; round < ROUNDS; round++) {
    const id = 1 + (round % 3)
    const client = clientOf(cluster, id)
    const watch = await RawWatch.begin(client, 'handed on', from)
    await until(() => watch.changes.length > 10)
    if (round % 2 === 0) {
      await cluster.node(id).kill()
      await watch.end()
    } else {
      await watch.close()
    }
    changes.push(...watch.changes)
    from = watch.revision
    states += watch.states.length
    client.close()
    if (round % 2 === 0) await cluster.node(id).start()
    await cluster.leader()
  }
  isOver = true
  await working
  assert.equal(states, 1, 'only where it began')
  const revisions = changes.map(({ revision }) => revision)
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].sort((a, b) => a - b),
  )
  const grants = changes.filter(({ kind }) => kind === Change_Kind.GRANTED)
  const tokens = grants.map(({ claim }) => claim!.token)
  const first = held.indexOf(tokens[0]!)
  assert.ok(tokens.length > 50)
  assert.deepEqual(tokens, held.slice(first, first + tokens.length), 'every grant, once, in order')
})

test('a node that leapt ahead by a snapshot sends its watchers away, and tells who comes back the state', {
  timeout: 180_000,
}, async () => {
  await using cluster = await LocalCluster.start(SMALL)
  await upgraded(cluster)
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const leader = await cluster.leader()
  const follower = cluster.others(leader.id)[0]!
  const client = clientOf(cluster, follower.id)
  const before = await keeper.lock('quiet')
  const watch = await RawWatch.begin(client, 'quiet')
  follower.freeze()
  await before.release()
  await using after = await keeper.lock('quiet')
  await churn(keeper, MIB_BEYOND_FLIGHT)
  follower.thaw()
  await eventually('it has a snapshot', CATCH_UP_MS, () => snapshots(follower) || undefined)
  const { code } = await watch.end()
  assert.equal(code, 'BUSY')
  const again = await RawWatch.begin(client, 'quiet', watch.revision)
  assert.deepEqual([again.words, again.states.map(({ holders }) => holders[0]?.token)], [[], [after.token]])
  client.close()
})
