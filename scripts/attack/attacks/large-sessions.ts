import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { connect } from '../../../src/client/index.js'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import type { LockOwnerOrders } from '../lock-owner.js'

const LOCKS = 100_000
const TTL_MS = 10_000
const PATIENCE_MS = 60_000
const PROGRAM = new URL('../lock-owner.js', import.meta.url)

const owners: Worker[] = []

export const attack: Attack = {
  summary: `of two sessions with ${LOCKS} locks each, one is closed and the other expires`,
  prepare: async (cluster) => {
    owners.push(await owner(cluster, 'closed'), await owner(cluster, 'expired'))
  },
  run: async (cluster) => {
    const [closing, dying] = owners.splice(0) as [Worker, Worker]
    await using keeper = await connect(cluster.clientAddresses.join(','), { ttlMs: 30_000 })
    const closed = keeper.lock(`closed/${LOCKS - 1}`, { waitMs: PATIENCE_MS })
    const closedAtMs = performance.now()
    closing.postMessage('close')
    await closed
    const lastOfClosedMs = Math.round(performance.now() - closedAtMs)
    await closing.terminate()
    const expired = keeper.lock(`expired/${LOCKS - 1}`, { waitMs: PATIENCE_MS })
    const killedAtMs = performance.now()
    await dying.terminate()
    await expired
    return { lastOfClosedMs, lastOfExpiredMs: Math.round(performance.now() - killedAtMs) }
  },
}

async function owner(cluster: LocalCluster, prefix: string): Promise<Worker> {
  const addresses = cluster.clientAddresses.join(',')
  const workerData: LockOwnerOrders = { addresses, prefix, locks: LOCKS, ttlMs: TTL_MS }
  const worker = new Worker(PROGRAM, { workerData })
  await once(worker, 'message')
  return worker
}
