import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { type ConnectOptions, connect, type Lock, SessionLostError } from '../../src/client/index.js'
import { BusyHolder } from './busy-holder.js'
import { eventually, within } from './eventually.js'

const TTL_MS = 3_000
/** Has room for an election on a busy machine. */
const ELECTION_TTL_MS = 6_000
/** Longer than any test. */
const LONG_MS = 600_000
const SOON_MS = 15_000
const NAMES = Array.from({ length: 20 }, (_, k) => `job/${k}`)

/** Many locks of a process, held in one session, and somebody else who waits for the first of them. */
async function scene(t: TestContext, options: ConnectOptions) {
  const cluster = await LocalCluster.start()
  t.after(() => cluster.stop())
  const waiter = await connect(cluster.addresses)
  t.after(() => waiter.close())
  const holder = await BusyHolder.start(cluster.addresses, NAMES, { ttlMs: TTL_MS, ...options })
  t.after(() => holder[Symbol.asyncDispose]())
  let granted: Lock | undefined
  const waiting = waiter.lock(NAMES[0]!).then((lock) => {
    granted = lock
    return lock
  })
  await eventually('the waiter stands in the queue', SOON_MS, async () =>
    (await waiter.get(NAMES[0]!)).waiting === 1 ? true : undefined,
  )
  const tokens = holder.said.seen.map(({ token }) => token)
  /** The cluster gave them to nobody else. */
  const assertHeldInCluster = async (): Promise<void> => {
    assert.equal(granted, undefined)
    const states = await Promise.all(NAMES.map((name) => waiter.get(name)))
    assert.deepEqual(
      states.map(({ holders }) => holders.map(({ token }) => token)),
      tokens.map((token) => [token]),
    )
  }
  return { cluster, waiter, holder, waiting, tokens, assertHeldInCluster }
}

/** Its handles, when its code goes on. */
function assertBelieves(holder: BusyHolder, tokens: readonly number[], refusal: string | undefined): void {
  const { seen } = holder.said
  assert.deepEqual(
    seen.map((handle) => [handle.token, handle.refusal]),
    tokens.map((token) => [token, refusal]),
  )
  assert.ok(seen.every(({ expiresInMs }) => expiresInMs > 0 === (refusal === undefined)))
}

test('a job that computes for longer than its TTL loses its lock', { timeout: 120_000 }, async (t) => {
  const { holder, waiting, tokens } = await scene(t, {})
  holder.beBusy()
  const next = await within('the waiter is granted the lock', SOON_MS, waiting)
  assert.ok(next.token > Math.max(...tokens))
  await holder.letGo()
  assertBelieves(holder, tokens, 'LOCK_LOST')
})

test('with a stand-in it keeps all its locks for several TTLs', { timeout: 120_000 }, async (t) => {
  const { holder, waiting, tokens, assertHeldInCluster } = await scene(t, { maxStallMs: LONG_MS })
  holder.beBusy()
  await sleep(3 * TTL_MS)
  await assertHeldInCluster()
  await holder.letGo()
  assertBelieves(holder, tokens, undefined)
  assert.equal(await holder.finish(), 0)
  assert.ok((await within('the waiter is granted the lock', SOON_MS, waiting)).token > Math.max(...tokens))
})

test('and when the node that it is attached to is killed meanwhile', { timeout: 120_000 }, async (t) => {
  const options = { ttlMs: ELECTION_TTL_MS, maxStallMs: LONG_MS }
  const { cluster, holder, tokens, assertHeldInCluster } = await scene(t, options)
  const node = cluster.nodes.find(({ id }) => cluster.clientAddress(id) === holder.said.address)!
  holder.beBusy()
  await sleep(ELECTION_TTL_MS)
  await node.kill()
  await sleep(2 * ELECTION_TTL_MS)
  await assertHeldInCluster()
  await holder.letGo()
  assertBelieves(holder, tokens, undefined)
  assert.equal(await holder.finish(), 0)
})

test('a process that hangs loses its locks, and knows it in the moment in which it goes on', {
  timeout: 120_000,
}, async (t) => {
  const maxStallMs = 2 * TTL_MS
  const { holder, waiting, tokens } = await scene(t, { maxStallMs })
  const sinceMs = performance.now()
  holder.beBusy()
  await within('the waiter is granted the lock', maxStallMs + SOON_MS, waiting)
  const tookMs = performance.now() - sinceMs
  t.diagnostic(`maxStallMs ${maxStallMs}, TTL ${TTL_MS}: lost after ${Math.round(tookMs)} ms`)
  assert.ok(tookMs > maxStallMs, `lost after ${tookMs} ms, though a stall of ${maxStallMs} ms was allowed`)
  await holder.letGo()
  assertBelieves(holder, tokens, 'LOCK_LOST')
})

test('without its stand-in a session is lost, which the next lock() mends; close() ends the thread', {
  timeout: 120_000,
}, async (t) => {
  await using cluster = await LocalCluster.start()
  const threads: Worker[] = []
  const onWorker = (worker: Worker): void => void threads.push(worker)
  process.on('worker', onWorker)
  t.after(() => process.off('worker', onWorker))

  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS, maxStallMs: LONG_MS })
  const lock = await keeper.lock('a')
  assert.equal(threads.length, 1)
  const lost = new Promise<Error>((resolve) => keeper.onSessionLost(resolve))
  await threads[0]!.terminate()
  assert.ok((await within('the session is lost', SOON_MS, lost)) instanceof SessionLostError)
  assert.throws(() => lock.assertHeld(), { code: 'LOCK_LOST', message: /the thread that renews it/ })

  const again = await keeper.lock('a')
  assert.ok(again.token > lock.token)
  assert.equal(threads.length, 2)
  const ended = once(threads[1]!, 'exit')
  await keeper.close()
  await within('the thread ends', SOON_MS, ended)
})
