import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect, type Keeper, type Lock } from '../../src/client/index.js'
import { agree } from './agreement.js'
import { eventually } from './eventually.js'
import { UnaryError, UnarySession } from './unary-session.js'

const SMALL_HEAP = { NODE_OPTIONS: '--max-old-space-size=96' }
const TTL_MS = 60_000
/** Longer than the pauses of a client that is refused. */
const WAIT_MS = 3_000
const SOON_MS = 30_000
const TAKERS = 256

test('nodes with a small heap refuse more locks in time, go on with what ends and renews, and start again with what they took', {
  timeout: 240_000,
}, async (t) => {
  await using cluster = await LocalCluster.create()
  await Promise.all(cluster.nodes.map((node) => node.start(SMALL_HEAP)))
  await cluster.leader()
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const locks = await takeAll(keeper)
  t.diagnostic(`${locks.length} locks in a heap of 96 MiB`)
  assert(locks.length > 5_000)

  for (const [k, address] of cluster.clientAddresses.entries()) {
    const said = await eventually(`node ${k + 1} says why`, SOON_MS, () => refusal(address))
    assert.match(said, /too little memory for anything new: node \d has \d+ MiB of its heap left/)
  }
  for (const node of cluster.nodes) assert(node.isRunning, `node ${node.id} runs`)
  for (const lock of locks.splice(0, 100)) assert.equal(await lock.release(), 'released')

  await Promise.all(cluster.nodes.map((node) => node.kill()))
  for (const node of cluster.nodes) await node.start(SMALL_HEAP)
  await cluster.leader()
  assert.equal(await locks[0]!.release(), 'released')
  await Promise.all(locks.slice(1).map((lock) => lock.release()))
  await eventually('there is room again', SOON_MS, async () => {
    return (await refusal(cluster.clientAddress(1))) === undefined || undefined
  })
  await agree(cluster)
})

/** Until none is granted any more. */
async function takeAll(keeper: Keeper): Promise<Lock[]> {
  const locks: Lock[] = []
  const take = async (taker: number): Promise<void> => {
    try {
      for (let k = 0; ; k++) locks.push(await keeper.lock(`taken/${taker}/${k}`, { waitMs: WAIT_MS }))
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'TIMEOUT')
    }
  }
  await Promise.all(Array.from({ length: TAKERS }, (_, taker) => take(taker)))
  return locks
}

/** Why a session can't be opened there; undefined if it can. */
async function refusal(address: string): Promise<string | undefined> {
  using session = new UnarySession(address)
  try {
    await session.open(TTL_MS)
    await session.close()
    return undefined
  } catch (error) {
    if (error instanceof UnaryError && error.code === 'BUSY') return error.message
    throw error
  }
}
