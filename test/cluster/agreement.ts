import assert from 'node:assert/strict'
import type { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import type { NodeProcess } from '../../scripts/cluster/node-process.js'
import { openLevelLog } from '../../src/log-store/index.js'
import { eventually } from './eventually.js'

const SOON_MS = 10_000

/** Resolves when all nodes follow one leader and have applied the same. */
export async function agree(cluster: LocalCluster): Promise<void> {
  await eventually('all nodes agree', SOON_MS, async () => {
    const statuses = await Promise.all(cluster.nodes.map(({ id }: NodeProcess) => cluster.status(id)))
    const views = statuses.map(
      (status) => status && [status.term, status.topology?.leader, status.appliedIndex],
    )
    return views[0]?.[1] !== 0 && new Set(views.map((view) => JSON.stringify(view))).size === 1
      ? true
      : undefined
  })
}

/** Stops the nodes and compares what is on their disks, entry by entry. */
export async function assertSameLogs(cluster: LocalCluster): Promise<void> {
  const leader = await cluster.leader()
  const { commitIndex } = (await cluster.status(leader.id))!
  await Promise.all(cluster.nodes.map((node) => node.stop()))
  const logs = await Promise.all(
    cluster.nodes.map(async ({ id }) => {
      const identity = { clusterId: 'local', nodeId: id }
      const { log: store } = await openLevelLog(cluster.dataDirectory(id), identity)
      const { entries } = await store.load()
      await store.close()
      return entries
        .slice(0, commitIndex)
        .map(({ index, term, payload }) => `${index} ${term} ${Buffer.from(payload).toString('base64')}`)
    }),
  )
  assert.ok(logs[0]!.length === commitIndex && commitIndex > 0)
  assert.deepEqual(logs[1], logs[0])
  assert.deepEqual(logs[2], logs[0])
}
