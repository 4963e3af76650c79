import { connect, type Keeper } from '../../src/client/index.js'
import { quantile } from './quantile.js'

/** What is done again and again: an acquire and a release, each acknowledged. Rejects if one of them fails. */
export type Cycle = () => Promise<void>

export interface Load {
  /** So many do cycles at a time. */
  readonly workers: number
  readonly warmUpMs: number
  readonly measuredMs: number
}

/** When a cycle began and ended, in ms of the wall clock, which the logs of nodes know, too. */
export interface Done {
  readonly beginMs: number
  readonly endMs: number
}

export interface Measured {
  readonly cyclesPerSecond: number
  /** Of one cycle. Milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Those that began and ended in the measured time, in the order of their ends. Rejects if any cycle fails. `cycleOf` gives each worker its own. */
export async function run(load: Load, cycleOf: (worker: number) => Cycle): Promise<Done[]> {
  const beginMs = nowMs() + load.warmUpMs
  const endMs = beginMs + load.measuredMs
  const done: Done[] = []
  const work = async (cycle: Cycle): Promise<void> => {
    for (let startMs = nowMs(); startMs < endMs; ) {
      await cycle()
      const doneMs = nowMs()
      if (startMs >= beginMs && doneMs <= endMs) done.push({ beginMs: startMs, endMs: doneMs })
      startMs = doneMs
    }
  }
  await Promise.all(Array.from({ length: load.workers }, (_, worker) => work(cycleOf(worker))))
  return done
}

export function figuresOf(done: readonly Done[], { measuredMs }: Load): Measured {
  const cyclesMs = done.map(({ beginMs, endMs }) => endMs - beginMs).sort((a, b) => a - b)
  return {
    cyclesPerSecond: Math.round(cyclesMs.length / (measuredMs / 1_000)),
    p50Ms: quantile(cyclesMs, 0.5),
    p99Ms: quantile(cyclesMs, 0.99),
  }
}

/** So long that a machine with much else to do does not take the locks away. */
const TTL_MS = 60_000

/** Runs `work` with so many sessions, each on a stream of its own. */
export async function withKeepers<T>(
  addresses: string,
  count: number,
  work: (keepers: readonly Keeper[]) => Promise<T>,
): Promise<T> {
  const keepers = await Promise.all(
    Array.from({ length: count }, (_, k) => connect(addresses, { ttlMs: TTL_MS, label: `bench ${k + 1}` })),
  )
  try {
    return await work(keepers)
  } finally {
    await Promise.all(keepers.map((keeper) => keeper.close()))
  }
}

/** A lock of its own for each worker. */
export function ownLocks(keepers: readonly Keeper[]): (worker: number) => Cycle {
  return (worker) => {
    const keeper = keepers[worker % keepers.length]!
    const name = `bench/${worker}`
    return async () => {
      const lock = await keeper.lock(name)
      await lock.release()
    }
  }
}

function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
