import { connect, type Keeper } from '../../../src/client/index.js'
import { quantile } from '../../bench/quantile.js'
import type { Attack } from '../attack.js'

const CLIENTS = 500
const CONNECTING_AT_A_TIME = 50
const PAUSE_MS = 1_000
const CALM_MS = 3_000
const WATCHED_MS = 15_000
const OPTIONS = { ttlMs: 15_000, connectTimeoutMs: 30_000 }

/** Takes and releases a lock of its own now and then. `grantedMs` is when the last grant came. */
class Worker {
  grantedMs = 0
  /** From the kill to the first grant of a lock that was asked for after it. */
  recoveredMs: number | undefined
  failures = 0
  isOver = false

  constructor(
    readonly keeper: Keeper,
    readonly name: string,
  ) {}

  async work(killedMs: () => number): Promise<void> {
    while (!this.isOver) {
      const askedMs = performance.now()
      try {
        const lock = await this.keeper.lock(this.name)
        const isAfter = askedMs >= killedMs()
        if (isAfter) this.recoveredMs ??= performance.now() - killedMs()
        await lock.release()
      } catch {
        if (!this.isOver) this.failures++
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * (0.5 + Math.random())))
    }
  }
}

export const attack: Attack = {
  summary: `the leader is killed while ${CLIENTS} clients of one process work`,
  run: async (cluster) => {
    const leader = await cluster.leader()
    const workers: Worker[] = []
    for (let k = 0; k < CLIENTS; k += CONNECTING_AT_A_TIME) {
      const keepers = await Promise.all(
        Array.from({ length: CONNECTING_AT_A_TIME }, () =>
          connect(cluster.clientAddresses.join(','), OPTIONS),
        ),
      )
      for (const keeper of keepers) workers.push(new Worker(keeper, `worker/${workers.length}`))
    }
    let killedMs = Number.POSITIVE_INFINITY
    const work = Promise.all(workers.map((worker) => worker.work(() => killedMs)))
    await new Promise((resolve) => setTimeout(resolve, CALM_MS))
    killedMs = performance.now()
    await leader.kill()
    const endMs = killedMs + WATCHED_MS
    while (performance.now() < endMs && workers.some(({ recoveredMs }) => recoveredMs === undefined))
      await new Promise((resolve) => setTimeout(resolve, 20))
    const recovered = workers
      .map(({ recoveredMs = Number.POSITIVE_INFINITY }) => recoveredMs)
      .sort((a, b) => a - b)
    for (const worker of workers) worker.isOver = true
    await Promise.all([work, ...workers.map(({ keeper }) => keeper.close())])
    return {
      firstGrantMs: Math.round(recovered[0]!),
      recoveredP50Ms: Math.round(quantile(recovered, 0.5)),
      recoveredMaxMs: Math.round(recovered.at(-1)!),
      failures: workers.reduce((sum, { failures }) => sum + failures, 0),
    }
  },
}
