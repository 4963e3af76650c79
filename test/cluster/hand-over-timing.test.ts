import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type Keeper } from '../../src/client/index.js'
import { within } from './eventually.js'

const TRIALS = 5
const KEEPERS = 3
const WORKERS_PER_KEEPER = 8
const CALM_MS = 2_000
/** From the signal on; until then what it held up has been answered. */
const WATCHED_MS = 3_000
/** What an orderly stop may add to the latency of a request. */
const ADDED_MS_MAX = 250
const TTL_MS = 30_000

interface Cycle {
  readonly askedMs: number
  readonly tookMs: number
}

/** Workers that take and release a lock of their own, again and again. */
class Cycles {
  readonly #cycles: Cycle[] = []
  readonly #work: Promise<unknown>
  #isOver = false

  constructor(keepers: readonly Keeper[]) {
    const workers = keepers.flatMap((keeper) => Array.from({ length: WORKERS_PER_KEEPER }, () => keeper))
    this.#work = Promise.all(workers.map((keeper, worker) => this.#toil(keeper, `hand over/${worker}`)))
    this.#work.catch(() => undefined)
  }

  /** Of those that were asked for between these moments, the time that this share of them did not exceed. */
  quantileMs(share: number, fromMs: number, untilMs: number): number {
    const watched = this.#cycles.filter(({ askedMs }) => askedMs >= fromMs && askedMs < untilMs)
    const ascending = watched.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
    return ascending[Math.ceil(ascending.length * share) - 1]!
  }

  /** Rejects if any of them failed. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#work
  }

  async #toil(keeper: Keeper, name: string): Promise<void> {
    while (!this.#isOver) {
      const askedMs = performance.now()
      const lock = await keeper.lock(name)
      assert.equal(await lock.release(), 'released')
      this.#cycles.push({ askedMs, tookMs: performance.now() - askedMs })
    }
  }
}

test('a leader that is asked to stop fails no request and holds none up for long', {
  timeout: 180_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  const keepers = await Promise.all(
    Array.from({ length: KEEPERS }, (_, k) => connect(cluster.addresses, { label: `${k}`, ttlMs: TTL_MS })),
  )
  const cycles = new Cycles(keepers)
  const added: number[] = []
  for (let trial = 0; trial < TRIALS; trial++) {
    const calmMs = performance.now()
    await sleep(CALM_MS)
    const leader = await cluster.leader()
    const signalMs = performance.now()
    const stopping = leader.kill('SIGTERM')
    await sleep(WATCHED_MS)
    assert.deepEqual(await within('it stops', 10_000, stopping), { code: 0, signal: null })
    const usual = cycles.quantileMs(0.99, calmMs, signalMs - 500)
    // All that it held up, and not a share of what came before and after: those are as many as one cares to ask.
    const slowest = cycles.quantileMs(1, signalMs - 500, signalMs + WATCHED_MS)
    t.diagnostic(`p99 before ${usual.toFixed(1)} ms; slowest ${slowest.toFixed(1)} ms`)
    added.push(slowest - usual)
    await leader.start()
    await cluster.leader()
  }
  await cycles.stop()
  await Promise.all(keepers.map((keeper) => keeper.close()))
  added.sort((a, b) => a - b)
  assert.ok(added[added.length >> 1]! <= ADDED_MS_MAX, `added, in ms: ${added}`)
})
