import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectOnlyTo } from '../../scripts/cluster/client-network.js'
import type { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type Keeper } from '../../src/client/index.js'
import { eventually } from './eventually.js'
import { History, type Passage } from './history.js'
import { verify } from './verify.js'

const PREFIX = 'load/'
const NAMES = 6
const WORKERS_PER_KEEPER = 6
const CYCLES = 10
const WATCH_MS = 100
/** Longer than a killed node is away: a failover must be nothing but a delay. */
const TTL_MS = 30_000
const PROGRESS_MS = 20_000

/**
 * Many workers over several sessions who take and release a few locks, again and again: two sessions that follow the
 * leader, and one that stays at each node whatever happens to it. Everything they do is in the history.
 */
export class Load implements AsyncDisposable {
  readonly history: History
  readonly keepers: readonly Keeper[]
  readonly #watcher: Keeper
  readonly #work: Promise<unknown>
  readonly #probes: Promise<Passage>[] = []
  #stopping = false
  readonly #cycles: number[]

  private constructor(history: History, keepers: readonly Keeper[], watcher: Keeper) {
    this.history = history
    this.keepers = keepers
    this.#watcher = watcher
    const workers = keepers.flatMap((keeper) => Array.from({ length: WORKERS_PER_KEEPER }, () => keeper))
    this.#cycles = workers.map(() => 0)
    this.#work = Promise.all([...workers.map((keeper, worker) => this.#toil(keeper, worker)), this.#watch()])
  }

  /** `stayAt`: the nodes that have a session of their own, which never goes elsewhere. */
  static async start(cluster: LocalCluster, stayAt = cluster.nodes, ttlMs = TTL_MS): Promise<Load> {
    const [watcher, ...keepers] = await Promise.all([
      connect(cluster.addresses, { label: 'watcher', ttlMs, connectTimeoutMs: ttlMs }),
      connect(cluster.addresses, { label: 'free 1', ttlMs }),
      connect(cluster.addresses, { label: 'free 2', ttlMs }),
      ...stayAt.map(({ id }) => connectOnlyTo(cluster, id, { label: `only ${id}`, ttlMs })),
    ])
    return new Load(new History(), keepers, watcher!)
  }

  /** Resolves when every worker has been through a lock ten times from now on. Rejects as soon as anything fails. */
  async progress(): Promise<void> {
    const before = [...this.#cycles]
    const allGotOn = (): true | undefined => {
      assert.deepEqual(this.history.failures, [])
      return this.#cycles.every((cycles, worker) => cycles >= before[worker]! + CYCLES) || undefined
    }
    try {
      await eventually('every worker gets on with its work', PROGRESS_MS, allGotOn)
    } catch (error) {
      // The cause, if it is one that can be seen: somebody may have been overtaken again and again.
      const over = this.history.passages.filter(({ token, failure }) => (token ?? failure) !== undefined)
      assert.deepEqual(verify(over), [])
      throw error
    }
  }

  /** Asks in each session for a name that is free. Resolves after the first passage, with the ms its grant took. */
  async firstGrant(name: string): Promise<number> {
    const startMs = performance.now()
    const passages = this.keepers.map((keeper, k) =>
      this.history.pass(keeper, `${name}/${k}`, async () => {}),
    )
    this.#probes.push(...passages)
    const { grantedMs = Number.POSITIVE_INFINITY } = await Promise.race(passages)
    return grantedMs - startMs
  }

  /** Resolves with what is left in the queues when every worker has come to the end of what it does. */
  async stop(): Promise<string[]> {
    this.#stopping = true
    await Promise.all([this.#work, ...this.#probes])
    const left: string[] = []
    for await (const { name } of this.#watcher.list()) left.push(name)
    return left
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    await Promise.all([...this.keepers, this.#watcher].map((keeper) => keeper.close()))
    await Promise.all([this.#work, ...this.#probes])
  }

  async #toil(keeper: Keeper, worker: number): Promise<void> {
    for (let k = worker; !this.#stopping; k++) {
      const { failure } = await this.history.pass(keeper, `${PREFIX}${k % NAMES}`, async () => {
        await sleep(k % 3)
      })
      // Whoever failed is out: the history tells, and nothing spins.
      if (failure !== undefined) return
      this.#cycles[worker]!++
    }
  }

  async #watch(): Promise<void> {
    while (!this.#stopping) {
      await this.history.watchQueues(this.#watcher, PREFIX).catch(() => undefined)
      await sleep(WATCH_MS)
    }
  }
}

/** Ends the load: everybody got on, nothing failed, nothing contradicts the promises, nothing is left in the queues. */
export async function assertNothingLost(t: TestContext, load: Load): Promise<void> {
  await load.progress()
  const left = await load.stop()
  const { passages, failures } = load.history
  const queued = passages.filter(({ queuedMs }) => queuedMs !== undefined).length
  t.diagnostic(`${passages.length} passages, ${queued} of them seen in a queue`)
  assert.deepEqual(failures, [])
  assert.deepEqual(verify(passages), [])
  assert.deepEqual(left, [], 'no claim is left behind')
  assert.ok(queued > 0, 'the order of the queues was observed')
}
