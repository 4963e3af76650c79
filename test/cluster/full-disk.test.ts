import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectOnlyTo } from '../../scripts/cluster/client-network.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { agree, assertSameLogs } from './agreement.js'
import { eventually, within } from './eventually.js'
import { NO_SMALL_DISKS, SmallDisk } from './mounts.js'
import { UnaryError, UnarySession } from './unary-session.js'

/** A node keeps 64 MiB and sixteen times this in reserve. */
const SMALL = { checkpointMiB: 1 }
const DISK_MIB = 160
const LOW_MIB = 40
const SOON_MS = 10_000
const EXIT_FATAL = 70
const TTL_MS = 60_000
const SHORT_TTL_MS = 3_000
const ROUNDS = 300

test('with all disks nearly full nothing is added, what ends and renews goes on; with room again all is well (fault 29)', {
  skip: NO_SMALL_DISKS,
  timeout: 90_000,
}, async (t) => {
  await using small = await SmallCluster.start()
  const { cluster } = small
  const sessions = await Promise.all(cluster.clientAddresses.map((address) => opened(address, TTL_MS)))
  const tokens = await Promise.all(sessions.map((session, k) => session.acquire(`held/${k}`, 0)))
  const forgotten = await opened(cluster.clientAddress(1), SHORT_TTL_MS)
  await forgotten.acquire('forgotten', 0)
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const lock = await keeper.lock('of a keeper')

  for (const disk of small.disks.values()) await disk.fill(LOW_MIB)
  for (const [k, session] of sessions.entries()) {
    const said = await eventually(`the door of node ${k + 1} refuses`, SOON_MS, () =>
      refusal(session, `new/${k}`),
    )
    assert.match(said, /node \d has \d+ MiB left \(its reserve is 80 MiB\).*; make room there/)
    await assert.rejects(opened(cluster.clientAddress(k + 1), TTL_MS), { code: 'BUSY' })
  }
  const renewals = sessions.flatMap((session) =>
    Array.from({ length: ROUNDS }, () => session.keepAlive(SOON_MS)),
  )
  await Promise.all(renewals)
  await sessions[0]!.release(tokens[0]!)
  await sessions[1]!.close()
  await eventually('a session expires', SOON_MS, async () => {
    const names: string[] = []
    for await (const { name } of keeper.list()) names.push(name)
    return names.sort().join() === 'held/2,of a keeper' || undefined
  })
  assert.equal(await lock.release(), 'released')
  const waiting = keeper.lock('there will be room')

  for (const disk of small.disks.values()) await disk.makeRoom()
  const roomMs = performance.now()
  const granted = await within('a lock is granted', SOON_MS, waiting)
  t.diagnostic(`granted ${Math.round(performance.now() - roomMs)} ms after there was room`)
  assert.equal(await granted.release(), 'released')
  await sessions[2]!.release(tokens[2]!)
  for (const session of [sessions[0]!, sessions[2]!]) await served(session, 'held/1')
  await agree(cluster)
})

test('a leader whose disk is nearly full lets another lead, and everybody is served (fault 29)', {
  skip: NO_SMALL_DISKS,
  timeout: 60_000,
}, async () => {
  await using small = await SmallCluster.start()
  const { cluster } = small
  const leader = await cluster.leader()
  const session = await opened(cluster.clientAddress(leader.id), TTL_MS)
  const disk = small.disks.get(leader.id)!
  await disk.fill(LOW_MIB)
  const heir = await eventually('another leads', SOON_MS, async () => {
    const { id } = await cluster.leader()
    return id === leader.id ? undefined : id
  })
  await session.release(await session.acquire('at the door of the low one', 0))
  const { term } = (await cluster.status(heir))!

  await small.disks.get(cluster.others(leader.id).find(({ id }) => id !== heir)!.id)!.fill(LOW_MIB)
  await eventually('two of three are low', SOON_MS, () => refusal(session, 'no room'))
  assert.equal((await cluster.status(heir))!.term, term, 'it is left to lead')
  await disk.makeRoom()
  await served(session, 'two of three have room')
})

test('a node whose disk is full to the last byte stops, says so, and follows again when there is room (fault 29)', {
  skip: NO_SMALL_DISKS,
  timeout: 60_000,
}, async () => {
  await using small = await SmallCluster.start()
  const { cluster } = small
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const held = await keeper.lock('held')
  const leader = await cluster.leader()
  const node = cluster.others(leader.id)[0]!
  const disk = small.disks.get(node.id)!
  await disk.fill(0)
  let isOver = false
  const ended = node.ended.finally(() => {
    isOver = true
  })
  for (let k = 0; !isOver; k++)
    await (await within('a lock is granted', SOON_MS, keeper.lock(`more/${k}`))).release()
  assert.deepEqual(await ended, { code: EXIT_FATAL, signal: null })
  assert.match(node.output(), /stopped itself: the disk failed .*No space left.*check disk and free space/)
  // There is no room to start either.
  await assert.rejects(node.start(), /can't be used .*No space left on device.*: make room on its disk/)

  await disk.makeRoom()
  await node.start()
  await agree(cluster)
  await using pinned = await connectOnlyTo(cluster, node.id, { ttlMs: TTL_MS })
  await (await pinned.lock('at the door of the full one')).release()
  assert.equal(await held.release(), 'released')
  await keeper.close()
  await pinned.close()
  await assertSameLogs(cluster)
})

/** A cluster the nodes of which have small disks. */
class SmallCluster implements AsyncDisposable {
  private constructor(
    readonly cluster: LocalCluster,
    /** By node. */
    readonly disks: ReadonlyMap<number, SmallDisk>,
  ) {}

  static async start(): Promise<SmallCluster> {
    const cluster = await LocalCluster.create(SMALL)
    const disks = new Map(
      cluster.nodes.map(({ id }) => [id, new SmallDisk(cluster.dataDirectory(id), DISK_MIB)]),
    )
    const small = new SmallCluster(cluster, disks)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.leader()
    return small
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.cluster.nodes.map((node) => node.stop()))
    for (const disk of this.disks.values()) await disk[Symbol.asyncDispose]()
    await this.cluster.stop()
  }
}

async function opened(address: string, ttlMs: number): Promise<UnarySession> {
  const session = new UnarySession(address)
  await session.open(ttlMs)
  return session
}

/** Resolves when this is granted: a door may hear of the room a few seconds later than another. */
async function served(session: UnarySession, name: string): Promise<void> {
  await eventually(`${name} is granted`, SOON_MS, async () =>
    (await refusal(session, name)) === undefined ? true : undefined,
  )
}

/** Why this was refused for now; undefined if it was granted. */
async function refusal(session: UnarySession, name: string): Promise<string | undefined> {
  try {
    await session.release(await session.acquire(name, 0))
    return undefined
  } catch (error) {
    if (error instanceof UnaryError && error.code === 'BUSY') return error.message
    throw error
  }
}
