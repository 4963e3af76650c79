import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { FRAME, frame, RawHttp2, whole } from '../raw-http2.js'

const FRAMES = 100_000
const SECONDS = 5
const ATTACH = '/lockkeeper.v1.Lockkeeper/Attach'

/** What HTTP/2 knows of floods: each frame costs the one who sends it less than the one who reads it. */
const FLOODS: readonly ((raw: RawHttp2) => Buffer)[] = [
  () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
  () => frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])),
  () => frame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1])),
  (raw) => frame(FRAME.data, 0, raw.stream, Buffer.alloc(1)),
  (raw) => frame(FRAME.data, 0, raw.stream, Buffer.alloc(0)),
  // Empty messages.
  (raw) => frame(FRAME.data, 0, raw.stream, Buffer.alloc(5)),
]

export const attack: Attack = {
  summary: `${FRAMES} pings, settings, window updates, or pieces of messages of a byte or none, at once`,
  run: async (cluster: LocalCluster) => {
    for (const flood of FLOODS) {
      const raws = await Promise.all(cluster.clientAddresses.map((address) => RawHttp2.open(address)))
      for (const raw of raws) {
        const head = frame(FRAME.data, 0, 1, whole(Buffer.alloc(0), 0))
        raw.write(raw.call(ATTACH), head)
        const one = flood(raw)
        raw.write(Buffer.alloc(one.length * FRAMES, one))
      }
      await sleep(SECONDS * 1_000)
      for (const raw of raws) raw.close()
    }
    return {}
  },
}
