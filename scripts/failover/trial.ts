import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from '../bench/quantile.js'
import type { Arena } from './arena.js'
import { Workers } from './workers.js'

const CLIENTS = 3
/** So long that no regular renewal happens to find out what is wrong. */
const TTL_MS = 30_000
/** How long the workers are watched before the blow. */
const CALM_MS = 1_000
/** And at the least after it. */
const WATCHED_MS = 1_000
/** What was not granted by then never will be. */
const PATIENCE_MS = 20_000

export interface Trial {
  /** From the blow to the first grant of an acquire that was sent after it, at the client that got it first. */
  readonly firstGrantMs: number
  /** The same at the client that got it last. */
  readonly lastGrantMs: number
  /** Of the slowest request that was under way after the blow, beyond the median of those before. */
  readonly addedMs: number
  readonly failures: readonly string[]
}

/**
 * Lets the leader have its accident while clients work, which are all attached to it, and leaves the cluster as good as
 * it was. Rejects with the reason of `interrupted`, or if the cluster does not recover.
 */
export async function tryOnce(arena: Arena, number: number, interrupted: AbortSignal): Promise<Trial> {
  const { cluster } = arena
  const leader = await cluster.settled()
  const keepers = await Promise.all(
    Array.from({ length: CLIENTS }, (_, k) => arena.connect(leader, { label: `client ${k}`, ttlMs: TTL_MS })),
  )
  const workers = new Workers(keepers)
  try {
    await sleep(CALM_MS, undefined, { signal: interrupted })
    const struckMs = performance.now()
    const course = arena.strike(leader)
    const limit = AbortSignal.any([interrupted, AbortSignal.timeout(PATIENCE_MS)])
    // The sockets take what is asked from now on, if they take it, after the signal or the cut: so it can't be answered.
    const [grantsMs] = await Promise.all([workers.probe(`${number}`, limit), course])
    await sleep(Math.max(0, struckMs + WATCHED_MS - performance.now()), undefined, { signal: interrupted })
    const usualMs = quantile(workers.tookMs(struckMs - CALM_MS, struckMs), 0.5)
    await arena.heal(leader)
    await cluster.settled()
    await workers.stop()
    const addedMs = workers.tookMs(struckMs, struckMs + WATCHED_MS).at(-1)! - usualMs
    return { firstGrantMs: grantsMs[0]!, lastGrantMs: grantsMs.at(-1)!, addedMs, failures: workers.failures }
  } catch (error) {
    // Closed sessions end what the workers wait for.
    await Promise.all(keepers.map((keeper) => keeper.close()))
    await workers.stop()
    throw error
  }
}
