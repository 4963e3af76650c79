import { GrpcConnector } from '../../../src/client/grpc-connector.js'
import { connect } from '../../../src/client/index.js'
import { ListClaimsRequest_Line } from '../../../src/protocol/lockkeeper.js'
import type { Attack } from '../attack.js'

const CLAIMS = 1_000
const DATA_LENGTH = 4_000
const PAGES_AT_A_TIME = 100
const ATTACK_MS = 10_000
const CALL_MS = 10_000
/** After a refusal. */
const PAUSE_MS = 100
const NAME = 'listed'
const REQUEST = { name: NAME, line: ListClaimsRequest_Line.HOLDERS, after: 0, limit: CLAIMS }

export const attack: Attack = {
  summary: `${PAGES_AT_A_TIME} pages of a name with ${CLAIMS} claims of ${DATA_LENGTH} characters are asked for at a time`,
  prepare: async (cluster) => {
    const keeper = await connect(cluster.clientAddresses.join(','), { ttlMs: 600_000 })
    const data = 'x'.repeat(DATA_LENGTH)
    await Promise.all(Array.from({ length: CLAIMS }, () => keeper.lock(NAME, { mode: 'shared', data })))
  },
  run: async (cluster) => {
    const leader = await cluster.leader()
    const connector = new GrpcConnector()
    let pages = 0
    let claims = 0
    let refused = 0
    const endMs = performance.now() + ATTACK_MS
    const ask = async (): Promise<void> => {
      while (performance.now() < endMs) {
        try {
          const page = await connector.call(cluster.clientAddress(leader.id), 'listClaims', REQUEST, CALL_MS)
          pages++
          claims += page.claims.length
        } catch {
          refused++
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
        }
      }
    }
    await Promise.all(Array.from({ length: PAGES_AT_A_TIME }, ask))
    connector.close()
    return { pages, claims, refused }
  },
}
