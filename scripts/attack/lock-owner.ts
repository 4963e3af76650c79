/** A client that takes many locks, in a thread that can be ended as if the client had been killed. Says when it has them. */
import { parentPort, workerData } from 'node:worker_threads'
import { connect } from '../../src/client/index.js'

export interface LockOwnerOrders {
  readonly addresses: string
  readonly prefix: string
  readonly locks: number
  readonly ttlMs: number
}

const AT_A_TIME = 1_000

const { addresses, prefix, locks, ttlMs } = workerData as LockOwnerOrders
const keeper = await connect(addresses, { ttlMs })
for (let first = 0; first < locks; first += AT_A_TIME)
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, k) => keeper.lock(`${prefix}/${first + k}`)))
parentPort!.on('message', async () => {
  await keeper.close()
  parentPort!.postMessage('closed')
})
parentPort!.postMessage('ready')
