import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BreakableCluster } from '../../scripts/cluster/breakable-cluster.js'
import { connectOnlyTo } from '../../scripts/cluster/client-network.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { agree, assertSameLogs } from './agreement.js'
import { within } from './eventually.js'
import { UnaryError, UnarySession } from './unary-session.js'

const SOON_MS = 10_000
/** "About a second" of P10, on a machine that has other things to do as well. */
const ELECTION_MS_MAX = 3_000
/** Ten election timeouts. */
const STABLE_WITHIN_MS = 6_000
const TTL_MS = 5_000

test('a leader that is cut off from its followers acknowledges nothing', { timeout: 60_000 }, async (t) => {
  await using net = await BreakableCluster.start()
  const { cluster } = net
  const old = await cluster.leader()
  await using keeper = await connect(cluster.clientAddress(old.id), { ttlMs: TTL_MS })
  const held = await keeper.lock('held')
  const address = cluster.clientAddress(old.id)
  const sessions = await Promise.all(Array.from({ length: 8 }, () => openSession(address)))
  const tokens = await Promise.all(sessions.map((session, k) => session.acquire(`mine/${k}`, 0)))

  net.isolate(old.id)
  const cutMs = performance.now()
  const asked = sessions.flatMap((session, k) => [
    codeOf(session.keepAlive(STABLE_WITHIN_MS)),
    codeOf(
      k % 2 === 0
        ? session.acquire('free', 0, STABLE_WITHIN_MS)
        : session.release(tokens[k]!, STABLE_WITHIN_MS),
    ),
  ])
  const next = await cluster.leader(cluster.others(old.id))
  const electedMs = performance.now() - cutMs
  t.diagnostic(`a silent leader was replaced after ${Math.round(electedMs)} ms`)
  assert.ok(electedMs <= ELECTION_MS_MAX, `elected after ${electedMs} ms`)

  // The client that was attached there has moved, and holds what it held.
  const lock = await within('the client is served elsewhere', SOON_MS, keeper.lock('elsewhere'))
  assert.notEqual(keeper.session.nodeId, old.id)
  assert.equal(held.state, 'held')
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['NO_LEADER']))

  net.heal()
  await agree(cluster)
  assert.equal((await keeper.get('free')).holders.length, 0)
  assert.ok((await cluster.leader()).id !== old.id, `node ${next.id} still leads`)
  assert.equal(await held.release(), 'released')
  assert.equal(await lock.release(), 'released')
  for (const session of sessions) session[Symbol.dispose]()
  await assertSameLogs(cluster)
})

test('any one pair may be cut: there is one stable leader, and everybody is served', {
  timeout: 60_000,
}, async (t) => {
  await using net = await BreakableCluster.start()
  const { cluster } = net
  for (const [one, other] of [
    [1, 2],
    [1, 3],
    [2, 3],
  ] as const) {
    await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
    net.cut(one, other)
    const cutMs = performance.now()
    // Requests and connections that were under way when it happened have to be given up first.
    const served = await within('a lock is granted', STABLE_WITHIN_MS, keeper.lock(`pair/${one}${other}`))
    const settled = await leadership(cluster)
    t.diagnostic(
      `${one} and ${other} cut, node ${settled.leader} leads: granted after ${Math.round(performance.now() - cutMs)} ms`,
    )
    await sleep(1_500)
    assert.deepEqual(await leadership(cluster), settled)
    // Whichever node a client asks first.
    for (const { id } of cluster.nodes) {
      const addresses = [id, ...cluster.others(id).map((node) => node.id)].map((node) =>
        cluster.clientAddress(node),
      )
      await using client = await connect(addresses, { ttlMs: TTL_MS })
      const lock = await within(
        `a client that asked node ${id} first is served`,
        SOON_MS,
        client.lock(`asked/${id}`),
      )
      assert.equal(await lock.release(), 'released')
    }
    assert.equal(await served.release(), 'released')
    net.heal()
    await agree(cluster)
    assert.deepEqual(await leadership(cluster), settled, 'who comes back disturbs nobody')
  }
  await assertSameLogs(cluster)
})

test('a leader that was frozen is replaced, and wakes up to the truth', { timeout: 60_000 }, async (t) => {
  await using cluster = await LocalCluster.start()
  const old = await cluster.leader()
  const keepers = await Promise.all(
    Array.from({ length: 8 }, (_, k) => connect(cluster.addresses, { ttlMs: TTL_MS, label: `keeper ${k}` })),
  )
  const locks = await Promise.all(keepers.map((keeper, k) => keeper.lock(`frozen/${k}`)))
  // Its last renewal may be a third of this old, and the election and the wait below come on top.
  await using pinned = await connectOnlyTo(cluster, old.id, { ttlMs: 2 * TTL_MS })
  const kept = await pinned.lock('pinned')

  old.freeze()
  const frozenMs = performance.now()
  await cluster.leader(cluster.others(old.id))
  t.diagnostic(`a frozen leader was replaced after ${Math.round(performance.now() - frozenMs)} ms`)
  await within('another is granted meanwhile', SOON_MS, keepers[0]!.lock('meanwhile'))
  // Renewals of the client that knows no other node wait in the sockets of this one.
  await sleep(TTL_MS / 2)
  old.thaw()
  await agree(cluster)

  assert.equal(await within('the one that waited is served', SOON_MS, kept.release()), 'released')
  assert.deepEqual(new Set(await Promise.all(locks.map((lock) => lock.release()))), new Set(['released']))
  await Promise.all(keepers.map((keeper) => keeper.close()))
})

test('when everything stands still, renewals that waited come before expiry', {
  timeout: 60_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  const ttlMs = 1_000
  const sessions = await Promise.all(
    Array.from({ length: 24 }, async (_, k) => openSession(cluster.clientAddress(1 + (k % 3)), ttlMs)),
  )
  const tokens = await Promise.all(sessions.map((session, k) => session.acquire(`still/${k}`, 0)))
  for (const node of cluster.nodes) node.freeze()
  const renewals = sessions.map((session) => session.keepAlive(SOON_MS))
  await sleep(3 * ttlMs)
  for (const node of cluster.nodes) node.thaw()
  await Promise.all(renewals)
  await Promise.all(sessions.map((session, k) => session.release(tokens[k]!)))
  for (const session of sessions) session[Symbol.dispose]()
})

async function openSession(address: string, ttlMs = 60_000): Promise<UnarySession> {
  const session = new UnarySession(address)
  await session.open(ttlMs)
  return session
}

/** What the cluster answered; 'OK' if it acknowledged. */
function codeOf(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'OK',
    (error: unknown) => (error instanceof UnaryError ? error.code : String(error)),
  )
}

/** As two of three see it, its leader among them. */
async function leadership(cluster: LocalCluster): Promise<{ leader: number; term: number }> {
  const { id } = await cluster.leader()
  const status = await cluster.status(id)
  return { leader: id, term: status!.term }
}
