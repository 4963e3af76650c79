import { connect } from '../../../src/client/index.js'
import type { Attack } from '../attack.js'

const RESULTS = 1_200
const LENGTH = 15_000
const ATTACK_MS = 35_000
const OPTIONS = { ttlMs: 30_000, connectTimeoutMs: 30_000 }

export const attack: Attack = {
  summary: `one client asks for ${RESULTS} stored results of ${LENGTH} characters at once`,
  prepare: async (cluster) => {
    await using keeper = await connect(cluster.clientAddresses.join(','), OPTIONS)
    const store = (key: string) => keeper.once(key, () => key.padEnd(LENGTH, '.'), { ttl: '1h' })
    await Promise.all(keys().map(store))
  },
  run: async (cluster) => {
    const keeper = await connect(cluster.clientAddresses.join(','), OPTIONS)
    const beganMs = performance.now()
    let done = 0
    let lastMs = 0
    const ask = async (key: string): Promise<void> => {
      await keeper.once(key, () => '', { ttl: '1h', waitMs: ATTACK_MS })
      done++
      lastMs = performance.now() - beganMs
    }
    const all = Promise.allSettled(keys().map(ask))
    await Promise.race([all, new Promise((resolve) => setTimeout(resolve, ATTACK_MS))])
    await keeper.close()
    return { done, lastMs: Math.round(lastMs) }
  },
}

function keys(): string[] {
  return Array.from({ length: RESULTS }, (_, k) => `result/${k}`)
}
