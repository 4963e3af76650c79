import { setTimeout as sleep } from 'node:timers/promises'
import { encodeHello } from '../../../src/transport/hello.js'
import { FRAME_BYTES_MAX } from '../../../src/transport/limits.js'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { FRAME, frame, RawHttp2, whole } from '../raw-http2.js'

const PATH = '/lockkeeper.peer.v1.Peer/Salvage'
const PIECE_BYTES = 16_384
const ROUNDS = 3

/** As a peer with a damaged disk, whose questions take a few bytes. */
export const attack: Attack = {
  summary: 'frames of 16 MB of empty maps, as a peer that asks for what it has lost',
  run: async (cluster: LocalCluster) => {
    const maps = Buffer.alloc(FRAME_BYTES_MAX, 0x80)
    maps.set([0xdd, 0, 0xff, 0xff, 0xff])
    const message = whole(maps)
    for (let round = 0; round < ROUNDS; round++) {
      const [address] = cluster.peerAddresses
      const raw = await RawHttp2.open(address!)
      const who = {
        clusterId: 'local',
        from: 3,
        to: 1,
        address: '',
        configIndex: 0,
        level: 4,
        disk: 0,
        lastIndex: 0,
        incarnation: 0,
      }
      raw.write(raw.call(PATH), frame(FRAME.data, 0, raw.stream, whole(encodeHello(who))))
      for (let at = 0; at < message.length && !raw.isClosed; at += PIECE_BYTES) {
        raw.write(frame(FRAME.data, 0, raw.stream, message.subarray(at, at + PIECE_BYTES)))
        if (at % (64 * PIECE_BYTES) === 0) await sleep(5)
      }
      await sleep(1_000)
      raw.close()
    }
    return {}
  },
}
