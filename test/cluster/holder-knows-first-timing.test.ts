import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientNetwork } from '../../scripts/cluster/client-network.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type Keeper, type LockState } from '../../src/client/index.js'
import { eventually, within } from './eventually.js'
import { FrozenWriter } from './frozen-writer.js'

const TTL_MS = 1_000
const TRIALS = 100
const AT_ONCE = 20
const GRANT_MS_MAX = 15_000
/** Longer than the margin of a holder's deadline: who counts from the answer instead of the question is found out. */
const SLOW_ANSWER_MS = 150

/** The ways in which a holder is cut off. Each begins when the holder has the lock. */
const CUTS: readonly ((network: ClientNetwork) => Promise<void>)[] = [
  async (network) => network.cut(),
  async (network) => network.cut('there'),
  async (network) => network.cut('back'),
  async (network) => network.refuse(),
  async (network) => {
    network.delay('back', SLOW_ANSWER_MS)
    // At least one renewal is answered slowly, and then nothing.
    await sleep(TTL_MS)
    network.cut()
  },
]

test('a holder that is cut off knows it before the next one holds', { timeout: 120_000 }, async (t) => {
  await using cluster = await LocalCluster.start()
  await using waiter = await connect(cluster.addresses, { label: 'waiter' })
  const trials: Trial[] = []
  for (let first = 0; first < TRIALS; first += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, (_, k) => trial(cluster, waiter, first + k))
    trials.push(...(await Promise.all(batch)))
  }
  assert.equal(trials.length, TRIALS)
  assert.deepEqual(
    trials.filter(({ marginMs, stateThen }) => marginMs <= 0 || stateThen !== 'lost'),
    [],
  )
  const marginsMs = trials.map(({ marginMs }) => marginMs).sort((a, b) => a - b)
  const [min, median] = [marginsMs[0]!, marginsMs[TRIALS / 2]!].map(Math.round)
  t.diagnostic(`${TRIALS} trials: known ${min} ms (least) and ${median} ms (median) before the next grant`)
})

interface Trial {
  readonly name: string
  /** How long before the waiter's grant the holder's signal was aborted. */
  readonly marginMs: number
  /** What the holder's handle says at the moment of that grant. */
  readonly stateThen: LockState
}

async function trial(cluster: LocalCluster, waiter: Keeper, k: number): Promise<Trial> {
  const name = `trial/${k}`
  await using network = await ClientNetwork.to(cluster)
  await using holder = await network.connect({ ttlMs: TTL_MS, label: `holder ${k}` })
  const held = await holder.lock(name)
  let lostAtMs = Number.POSITIVE_INFINITY
  held.signal.addEventListener('abort', () => {
    lostAtMs = performance.now()
  })
  const next = waiter.lock(name).then((lock) => {
    // In this order: to ask a handle for its state may be what makes it look at the clock.
    const marginMs = performance.now() - lostAtMs
    return { lock, marginMs, stateThen: held.state }
  })
  await eventually('the waiter stands in the queue', GRANT_MS_MAX, async () =>
    (await waiter.get(name)).waiting === 1 ? true : undefined,
  )
  // At another moment between two renewals in each trial.
  await sleep((TTL_MS * k) / TRIALS)
  await CUTS[k % CUTS.length]!(network)
  const { lock, ...seen } = await within('the waiter is granted the lock', GRANT_MS_MAX, next)
  await lock.release()
  return { name, ...seen }
}

test('a holder that was frozen past its TTL can do no harm', { timeout: 60_000 }, async () => {
  await using cluster = await LocalCluster.start()
  await using waiter = await connect(cluster.addresses)
  await using writer = await FrozenWriter.start(cluster.addresses, 'account', TTL_MS)
  const resource = new TokenChecker()

  const first = await writer.next('write')
  assert.equal(resource.accepts(first.token), true)
  const waiting = waiter.lock('account')
  await eventually('the waiter stands in the queue', GRANT_MS_MAX, async () =>
    (await waiter.get('account')).waiting === 1 ? true : undefined,
  )
  writer.checkThenFreezeThenWrite()
  await using lock = await within('the waiter is granted the lock', GRANT_MS_MAX, waiting)
  assert.equal(resource.accepts(lock.token), true)
  assert.equal(writer.unread, 0, 'the frozen process said nothing')

  writer.thaw()
  const late = await writer.next('write')
  assert.equal(late.token, first.token)
  assert.equal(resource.accepts(late.token), false)
  const awake = await writer.next('checked')
  assert.deepEqual(awake, { kind: 'checked', token: first.token, state: 'lost', refusal: 'LOCK_LOST' })
  assert.equal(lock.state, 'held')
})

/** What a lock protects: it takes no write with a token smaller than the greatest it has seen. */
class TokenChecker {
  #greatest = 0

  accepts(token: number): boolean {
    if (token < this.#greatest) return false
    this.#greatest = token
    return true
  }
}
