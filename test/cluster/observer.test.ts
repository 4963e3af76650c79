import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type LeaderSeen } from '../../src/client/index.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { until } from '../api/one-node.js'

const KILLS = 4
const REIGNS_BETWEEN = 5
const TTL_MS = 60_000

test('an election is observed without a gap while the nodes that tell of it are killed', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  await until(async () => {
    const statuses = await Promise.all(cluster.nodes.map(({ id }) => cluster.status(id)))
    return statuses.every((status) => status?.featureLevel === FEATURE_LEVEL)
  })
  await using candidate = await connect(cluster.addresses, { ttlMs: TTL_MS })
  await using observer = await connect(cluster.addresses, { ttlMs: TTL_MS, connectTimeoutMs: 20_000 })
  const seen: LeaderSeen[] = []
  const failed: unknown[] = []
  const stop = observer.election('shard').onLeader({
    onNext: (item) => seen.push(item),
    onError: (error) => failed.push(error),
  })
  await until(() => seen.length > 0)
  /** What was to be seen, as it came to pass. */
  const happened: string[] = ['-']
  let isOver = false
  const reigning = (async () => {
    for (let k = 0; !isOver; k++) {
      const leadership = await candidate.election('shard').campaign(`${k}`)
      await leadership.proclaim(`${k}, settled`)
      await leadership.resign()
      happened.push(`${k}`, `${k}, settled`, '-')
    }
  })()
  for (let round = 0; round < KILLS; round++) {
    const before = seen.length
    await until(() => seen.length > before + 3 * REIGNS_BETWEEN, 30_000)
    // Whoever it is that the observer listens to, it is the leader by preference.
    const leader = await cluster.leader()
    await leader.kill()
    await leader.start()
    await cluster.leader()
  }
  isOver = true
  await reigning
  await until(() => seen.length >= happened.length, 30_000)
  stop()
  assert.deepEqual(failed, [])
  assert.deepEqual(
    seen.map(({ leader }) => leader?.value ?? '-'),
    happened,
  )
  assert.deepEqual(
    seen.filter(({ gap }) => gap),
    [],
  )
})
