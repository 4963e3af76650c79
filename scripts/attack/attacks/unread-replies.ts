import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../../src/client/index.js'
import { ListClaimsRequest, ListClaimsRequest_Line } from '../../../src/protocol/lockkeeper.js'
import type { LocalCluster } from '../../cluster/local-cluster.js'
import type { Attack } from '../attack.js'
import { RawHttp2 } from '../raw-http2.js'

const CLAIMS = 240
const DATA = 'x'.repeat(16_000)
const CONNECTIONS = 4
const CALLS = 150
const ATTACK_MS = 10_000
const NAME = 'unread'
const LIST_CLAIMS = '/lockkeeper.v1.Lockkeeper/ListClaims'

/** A client may say that it takes any amount of bytes, and then leave them in its socket. */
export const attack: Attack = {
  summary: `${CALLS} pages of 3.9 MB on each of ${CONNECTIONS} connections to each node, none of which is read`,
  prepare: async (cluster: LocalCluster) => {
    const keeper = await connect(cluster.addresses, { ttlMs: 300_000 })
    await Promise.all(
      Array.from({ length: CLAIMS }, () => keeper.lock(NAME, { mode: 'shared', data: DATA, waitMs: 20_000 })),
    )
    keepers.push(keeper)
  },
  run: async (cluster: LocalCluster) => {
    const list = { name: NAME, line: ListClaimsRequest_Line.HOLDERS, after: 0, limit: CLAIMS }
    const request = Buffer.from(ListClaimsRequest.encode(list).finish())
    const raws: RawHttp2[] = []
    for (const address of cluster.clientAddresses) {
      for (let k = 0; k < CONNECTIONS; k++) {
        const raw = await RawHttp2.open(address)
        raw.socket.pause()
        raw.write(...Array.from({ length: CALLS }, () => raw.call(LIST_CLAIMS, request)))
        raws.push(raw)
      }
    }
    await sleep(ATTACK_MS)
    for (const raw of raws) raw.close()
    await Promise.all(keepers.splice(0).map((keeper) => keeper.close()))
    return {}
  },
}

const keepers: Awaited<ReturnType<typeof connect>>[] = []
