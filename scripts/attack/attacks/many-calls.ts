import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { FRAME, frame, RawHttp2 } from '../raw-http2.js'

const CALLS = 29_000
const ROUNDS = 5
const ATTACH = '/lockkeeper.v1.Lockkeeper/Attach'
const GET_STATUS = '/lockkeeper.v1.Lockkeeper/GetStatus'
const RESET = Buffer.from([0, 0, 0, 8])

/** Then the same of unary calls, and of calls that are reset as they are made. */
export const attack: Attack = {
  summary: `${CALLS} streams on one connection at once, which is closed then; unary calls; and calls that are reset at once`,
  run: async (cluster: LocalCluster) => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const address of cluster.clientAddresses) {
        await burst(address, CALLS, (raw) => [raw.call(ATTACH)])
        await burst(address, CALLS / 10, (raw) => [raw.call(GET_STATUS, Buffer.alloc(0))])
        await burst(address, CALLS / 10, (raw) => [
          raw.call(ATTACH),
          frame(FRAME.reset, 0, raw.stream, RESET),
        ])
      }
    }
    return {}
  },
}

async function burst(address: string, count: number, call: (raw: RawHttp2) => Buffer[]): Promise<void> {
  const raw = await RawHttp2.open(address)
  await sleep(50)
  raw.write(...Array.from({ length: count }, () => call(raw)).flat())
  await sleep(1_000)
  raw.close()
}
