import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect } from '../../src/client/index.js'
import { firstTokenAt } from '../../src/machine/incarnation.js'
import { runCli } from './cli.js'
import { eventually } from './eventually.js'
import { assertNothingLost, Load } from './load.js'
import { UnaryError, UnarySession } from './unary-session.js'
import { verify } from './verify.js'

const LONG_TTL_MS = 60_000
const CATCH_UP_MS = 20_000

async function cli(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args)
  assert.equal(code, 0, stderr)
  return stdout
}

function refusedWith(code: string) {
  return (error: unknown): boolean => error instanceof UnaryError && error.code === code
}

/** A configuration of `cluster`, whose processes are stopped, for a cluster of this name in directories of this name. */
async function renamed(cluster: LocalCluster, name: string): Promise<string> {
  const text = await readFile(join(cluster.directory, 'node-1.yaml'), 'utf8')
  const file = join(cluster.directory, `${name}.yaml`)
  await writeFile(file, text.replace(/id: old$/m, `id: ${name}`).replaceAll('/data-', `/${name}-`))
  return file
}

test('a cluster that is lost comes back from its backup, and gives no token out again (faults 32, 42)', {
  timeout: 120_000,
}, async (t) => {
  await using old = await LocalCluster.start({ clusterId: 'old' })
  await using fresh = await LocalCluster.create({ clusterId: 'fresh' })
  const file = join(old.directory, 'backup')
  let newestToken = 0
  using session = new UnarySession(old.clientAddress(1))
  await session.open(LONG_TTL_MS)
  {
    await using load = await Load.start(old)
    await load.progress()
    const before = await session.acquire('held/before', 0)
    const told = JSON.parse(await cli('backup', file, '--json', '--connect', old.clientAddress(2)))
    t.diagnostic(JSON.stringify(told))
    assert.equal(told.cluster, 'old')
    assert.ok(told.nextToken > before, 'the backup is not older than the question')
    // The cluster goes on, and only then is destroyed.
    await load.progress()
    newestToken = await session.acquire('held/after', 0)
    assert.ok(newestToken > told.nextToken, 'the backup does not know of this grant')
    assert.deepEqual(await load.stop(), ['held/after', 'held/before'])
    assert.deepEqual([load.history.failures, verify(load.history.passages)], [[], []])
    for (const { token = 0 } of load.history.passages) newestToken = Math.max(newestToken, token)
  }
  using late = new UnarySession(old.clientAddress(3))
  await late.open(LONG_TTL_MS)
  await Promise.all(old.nodes.map((node) => node.kill()))

  for (const { id } of fresh.nodes) {
    const config = join(fresh.directory, `node-${id}.yaml`)
    t.diagnostic(await cli('restore', file, '--config', config, '--node', String(id)))
  }
  await Promise.all(fresh.nodes.map((node) => node.start()))
  await fresh.leader()

  await using load = await Load.start(fresh)
  await using keeper = await connect(fresh.addresses)
  const lock = await keeper.lock('held/after', { waitMs: 0 })
  assert.ok(lock.token > newestToken, `${lock.token} after ${newestToken}`)
  // Whether the backup knew of a session or not, it is over, and nobody else goes by its number.
  for (const known of [session, late]) {
    using again = known.at(fresh.clientAddress(2))
    await assert.rejects(again.keepAlive(), refusedWith('SESSION_EXPIRED'))
  }
  await lock.release()
  await assertNothingLost(t, load)
  for (const { token } of load.history.passages) assert.ok(token === undefined || token > newestToken)
})

test('one backup is restored twice by the same steps, and the second cluster gives out greater tokens than the first', {
  timeout: 120_000,
}, async (t) => {
  await using old = await LocalCluster.start({ clusterId: 'old' })
  const file = join(old.directory, 'backup')
  await cli('backup', file, '--connect', old.addresses)
  using first = new UnarySession(old.clientAddress(1))
  await first.open(LONG_TTL_MS)
  const tokens = [await first.acquire('a', 0)]
  await Promise.all(old.nodes.map((node) => node.kill()))
  for (const clusterId of ['second', 'third']) {
    await using cluster = await LocalCluster.create({ clusterId })
    for (const { id } of cluster.nodes) {
      const config = join(cluster.directory, `node-${id}.yaml`)
      await cli('restore', file, '--config', config, '--node', String(id))
    }
    // The greatest token that is granted is written nowhere, and nobody is told it.
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.leader()
    using session = new UnarySession(cluster.clientAddress(1))
    await session.open(LONG_TTL_MS)
    for (const name of ['a', 'b', 'c']) tokens.push(await session.acquire(name, 0))
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.leader()
    using again = session.at(cluster.clientAddress(2))
    tokens.push(await again.acquire('d', 0))
  }
  t.diagnostic(tokens.join(' '))
  assert.deepEqual(
    [...new Set(tokens)].sort((a, b) => a - b),
    tokens,
  )
})

test('a node that was forgotten in a restore, and starts empty, learns all from the others', {
  timeout: 60_000,
}, async () => {
  await using old = await LocalCluster.start({ clusterId: 'old', nodes: 1 })
  await using fresh = await LocalCluster.create({ clusterId: 'fresh' })
  const file = join(old.directory, 'backup')
  const takenAtMs = Date.now()
  await cli('backup', file, '--connect', old.addresses)
  for (const id of [1, 2]) {
    await cli('restore', file, '--config', join(fresh.directory, `node-${id}.yaml`), '--node', String(id))
  }
  await Promise.all(fresh.nodes.map((node) => node.start()))
  const { id: leader } = await fresh.leader()
  await eventually('node 3 catches up', CATCH_UP_MS, async () => {
    const [{ appliedIndex = 0 } = {}, { commitIndex = 1 } = {}] = await Promise.all(
      [3, leader].map((id) => fresh.status(id)),
    )
    return appliedIndex >= commitIndex || undefined
  })
  // It answers from its own state, and that begins where the others' does.
  using session = new UnarySession(fresh.clientAddress(3))
  await session.open(LONG_TTL_MS)
  assert.ok((await session.acquire('a', 0)) > firstTokenAt(takenAtMs))
})

test('a backup that would do harm is not restored, and the reason is told', { timeout: 60_000 }, async () => {
  await using old = await LocalCluster.start({ clusterId: 'old', nodes: 1 })
  const file = join(old.directory, 'backup')
  assert.match(
    await cli('backup', file, '--connect', old.addresses),
    /cluster old up to entry \d+ of term 1, next token 1,/,
  )
  await old.node(1).stop()

  const same = await runCli(['restore', file, '--config', join(old.directory, 'node-1.yaml'), '--node', '1'])
  assert.equal(same.code, EXIT.config)
  assert.match(same.stderr, /must have a name of its own.*change cluster\.id/)

  const config = await renamed(old, 'fresh')
  const restore = (from: string) => runCli(['restore', from, '--config', config, '--node', '1'])
  const bytes = await readFile(file)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(`${file}.flipped`, bytes)
  const flipped = await restore(`${file}.flipped`)
  assert.equal(flipped.code, EXIT.damaged)
  assert.match(flipped.stderr, /its checksum does not match/)

  assert.equal((await restore(file)).code, 0)
  const twice = await restore(file)
  assert.equal(twice.code, EXIT.fatal)
  assert.match(twice.stderr, /is not empty: give the new node a directory of its own/)
})

test('without a node, and without a majority, there is no backup', { timeout: 60_000 }, async () => {
  await using cluster = await LocalCluster.start()
  await Promise.all([cluster.node(1).kill(), cluster.node(2).kill()])
  const file = join(cluster.directory, 'backup')
  await writeFile(file, 'the one before')
  const { code, stderr } = await runCli(['backup', file, '--connect', cluster.addresses])
  assert.equal(code, EXIT.unavailable)
  for (const address of cluster.clientAddresses) assert.ok(stderr.includes(address), stderr)
  assert.equal(await readFile(file, 'utf8'), 'the one before')
})

test('a node that is frozen does not keep another from giving the backup', { timeout: 60_000 }, async () => {
  await using cluster = await LocalCluster.start()
  cluster.node(1).freeze()
  const file = join(cluster.directory, 'backup')
  assert.match(await cli('backup', file, '--connect', cluster.addresses), /cluster local up to entry/)
})
