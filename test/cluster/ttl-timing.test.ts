import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type Keeper } from '../../src/client/index.js'
import { within } from './eventually.js'
import { UnarySession } from './unary-session.js'

const SESSIONS = 40
const TTLS_MS = [500, 1_000, 2_000, 4_000]
/** Renewed before the leader is killed, and due after. */
const TTLS_ACROSS_MS = [2_000, 3_000, 4_000]
const KILL_AFTER_MS = 2_000
/** P7. */
const LATE_MS_MAX = 250
const LATE_SHARE_MAX = 0.01
/** What a busy machine may add to what we can see. */
const NOISE_MS = 250

test('a session expires not early, and hardly late', { timeout: 60_000 }, async (t) => {
  await using cluster = await LocalCluster.start()
  await using waiter = await connect(cluster.addresses, { label: 'waiter' })
  const expiries = await Promise.all(
    Array.from({ length: SESSIONS }, (_, k) =>
      expire(cluster.clientAddress(1), waiter, `calm/${k}`, TTLS_MS[k % TTLS_MS.length]!),
    ),
  )
  assertHonest(t, expiries, 0)
})

test('nor does a change of leader make it earlier, or start it anew', { timeout: 60_000 }, async (t) => {
  await using cluster = await LocalCluster.start()
  await using waiter = await connect(cluster.addresses, { label: 'waiter' })
  const leader = await cluster.leader()
  const followers = cluster.others(leader.id).map(({ id }) => cluster.clientAddress(id))
  const expiring = Array.from({ length: SESSIONS }, (_, k) =>
    expire(followers[k % 2]!, waiter, `change/${k}`, TTLS_ACROSS_MS[k % TTLS_ACROSS_MS.length]!),
  )
  await sleep(KILL_AFTER_MS)
  const killedMs = performance.now()
  await leader.kill()
  await (await within('there is a leader again', 10_000, waiter.lock('after'))).release()
  const leaderlessMs = performance.now() - killedMs
  t.diagnostic(`without a leader for ${Math.round(leaderlessMs)} ms`)
  assertHonest(t, await Promise.all(expiring), leaderlessMs)
})

interface Expiry {
  readonly ttlMs: number
  /** The last renewal was committed between its sending and its answer: how long after each the lock was another's. */
  readonly afterSentMs: number
  readonly afterAnsweredMs: number
}

/** Opens a session, takes the lock, renews the session once, and falls silent, while the waiter waits for the lock. */
async function expire(address: string, waiter: Keeper, name: string, ttlMs: number): Promise<Expiry> {
  using session = new UnarySession(address)
  await session.open(ttlMs)
  await session.acquire(name, 0)
  const next = waiter.lock(name).then((lock) => ({ lock, atMs: performance.now() }))
  await sleep(ttlMs / 4)
  const sentMs = performance.now()
  await session.keepAlive()
  const answeredMs = performance.now()
  const { lock, atMs } = await within(`${name} is given to the waiter`, 20_000, next)
  await lock.release()
  return { ttlMs, afterSentMs: atMs - sentMs, afterAnsweredMs: atMs - answeredMs }
}

function assertHonest(t: TestContext, expiries: readonly Expiry[], leaderlessMs: number): void {
  const lateMs = expiries.map(({ ttlMs, afterAnsweredMs }) => afterAnsweredMs - ttlMs).sort((a, b) => a - b)
  const [median, most] = [lateMs[lateMs.length >> 1]!, lateMs.at(-1)!].map(Math.round)
  t.diagnostic(`late by ${median} ms (median), ${most} ms (most)`)
  const early = expiries.filter(({ ttlMs, afterSentMs }) => afterSentMs < ttlMs)
  assert.deepEqual(early, [], 'expired early')
  const boundMs = (ttlMs: number) => ttlMs * (1 + LATE_SHARE_MAX) + LATE_MS_MAX + leaderlessMs + NOISE_MS
  const late = expiries.filter(({ ttlMs, afterAnsweredMs }) => afterAnsweredMs > boundMs(ttlMs))
  assert.deepEqual(late, [], 'expired late')
}
