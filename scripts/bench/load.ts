import { connect, type Keeper } from '../../src/client/index.js'
import { quantile } from './quantile.js'

export interface Load {
  /** Each takes and releases a lock of its own, again and again. */
  readonly workers: number
  /** Sessions, each on a stream of its own, among which the workers are dealt out. */
  readonly connections: number
  readonly warmUpMs: number
  readonly measuredMs: number
}

export interface Measured {
  readonly cyclesPerSecond: number
  /** Of one cycle: acquire and release, each acknowledged. Milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Puts a load on the cluster at `addresses` and measures it, from the clients' side. Rejects if any cycle fails. */
export async function measure(addresses: string, load: Load): Promise<Measured> {
  const keepers = await Promise.all(
    Array.from({ length: load.connections }, (_, k) => connect(addresses, { label: `bench ${k + 1}` })),
  )
  try {
    return await run(keepers, load)
  } finally {
    await Promise.all(keepers.map((keeper) => keeper.close()))
  }
}

async function run(keepers: readonly Keeper[], { workers, warmUpMs, measuredMs }: Load): Promise<Measured> {
  const beginMs = performance.now() + warmUpMs
  const endMs = beginMs + measuredMs
  const cyclesMs: number[] = []
  const work = async (worker: number): Promise<void> => {
    const keeper = keepers[worker % keepers.length]!
    const name = `bench/${worker}`
    for (let startMs = performance.now(); startMs < endMs; ) {
      const lock = await keeper.lock(name)
      await lock.release()
      const nowMs = performance.now()
      if (startMs >= beginMs && nowMs <= endMs) cyclesMs.push(nowMs - startMs)
      startMs = nowMs
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  cyclesMs.sort((a, b) => a - b)
  return {
    cyclesPerSecond: Math.round(cyclesMs.length / (measuredMs / 1_000)),
    p50Ms: quantile(cyclesMs, 0.5),
    p99Ms: quantile(cyclesMs, 0.99),
  }
}
