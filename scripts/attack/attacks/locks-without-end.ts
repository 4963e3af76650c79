import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type Keeper } from '../../../src/client/index.js'
import type { Attack } from '../attack.js'

const SESSIONS = 8
const TAKERS = 2_048
const LOCKS_MAX = 300_000
/** Refused for so long, a taker gives up. */
const WAIT_MS = 20_000
const PATIENCE_MS = 120_000

/** In a heap such as Node.js takes in a container of 512 MiB. */
export const attack: Attack = {
  summary: `one client takes locks without end, up to ${LOCKS_MAX}, from nodes with a heap of 256 MiB`,
  nodeEnv: { NODE_OPTIONS: '--max-old-space-size=256' },
  run: async (cluster) => {
    const keepers = await Promise.all(
      Array.from({ length: SESSIONS }, () => connect(cluster.addresses, { ttlMs: 60_000 })),
    )
    const taken = { locks: 0 }
    const takers = Array.from({ length: TAKERS }, (_, k) => take(keepers[k % SESSIONS]!, k, taken))
    await Promise.race([Promise.all(takers), sleep(PATIENCE_MS)])
    const nodesRunning = cluster.nodes.filter(({ isRunning }) => isRunning).length
    await Promise.race([Promise.all(keepers.map((keeper) => keeper.close())), sleep(WAIT_MS)])
    return { locks: taken.locks, nodesRunning }
  },
}

async function take(keeper: Keeper, taker: number, taken: { locks: number }): Promise<void> {
  try {
    for (let k = 0; taken.locks < LOCKS_MAX; k++) {
      await keeper.lock(`endless/${taker}/${k}`, { waitMs: WAIT_MS })
      taken.locks++
    }
  } catch {
    // Refused, or the nodes are gone: there is nothing more to take.
  }
}
