import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from '../../../src/client/index.js'
import type { Attack } from '../attack.js'

const SESSIONS = 4
const ACQUIRES = 50_000
const PATIENCE_MS = 45_000

/** Their connections go to one node, so that all of it goes through that one's queue. */
export const attack: Attack = {
  summary: `one client submits ${SESSIONS * ACQUIRES} acquires at once`,
  run: async (cluster) => {
    const address = cluster.clientAddress(1)
    const keepers = await Promise.all(
      Array.from({ length: SESSIONS }, () => connect(address, { ttlMs: 60_000 })),
    )
    let granted = 0
    let failed = 0
    const beganMs = performance.now()
    const all = keepers.flatMap((keeper, k) =>
      Array.from({ length: ACQUIRES }, async (_, n) => {
        try {
          await keeper.lock(`flood/${k}/${n}`)
          granted++
        } catch {
          failed++
        }
      }),
    )
    await Promise.race([Promise.all(all), sleep(PATIENCE_MS)])
    const figures = {
      granted,
      failed,
      grantedPerSecond: Math.round((granted * 1_000) / (performance.now() - beganMs)),
    }
    for (const keeper of keepers) await keeper.close()
    return figures
  },
}
