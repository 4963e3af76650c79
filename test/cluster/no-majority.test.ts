import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect, type LockState } from '../../src/client/index.js'
import { runCli } from './cli.js'
import { eventually, within } from './eventually.js'
import { UnaryError, UnarySession } from './unary-session.js'

const TTL_MS = 4_000
const SOON_MS = 15_000

test('without a majority everybody is told so, and when it is back, all goes on', {
  timeout: 60_000,
}, async () => {
  await using cluster = await LocalCluster.start()
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  const lock = await keeper.lock('held')
  const states: LockState[] = [lock.state]
  lock.onStateChange((state) => states.push(state))
  const [last, ...others] = [...cluster.nodes]
  using session = new UnarySession(cluster.clientAddress(last!.id))
  await session.open(60_000)
  const token = await session.acquire('kept', 0)

  await Promise.all(others.map((node) => node.kill()))
  const impatient = assert.rejects(keeper.lock('free', { waitMs: 200 }), { code: 'TIMEOUT' })
  const lost = eventually('the handle is lost', SOON_MS, () => (lock.state === 'lost' ? lock : undefined))

  for (const deadlineMs of [1_000, 2_000]) {
    const askedMs = performance.now()
    await assert.rejects(
      session.acquire('free', 0, deadlineMs),
      (error) => error instanceof UnaryError && error.code === 'NO_LEADER' && /majority/.test(error.message),
    )
    const tookMs = performance.now() - askedMs
    assert.ok(tookMs < deadlineMs, `answered after ${tookMs} ms, asked to within ${deadlineMs} ms`)
  }
  await impatient

  await lost
  assert.deepEqual(states, ['held', 'unsure', 'lost'])
  assert.throws(() => lock.assertHeld(), { code: 'LOCK_LOST' })

  const status = await runCli(['status', '--connect', cluster.addresses])
  assert.equal(status.code, EXIT.unavailable, status.stderr)
  assert.match(status.stdout, /There is no leader: .*Start nodes until a majority can reach each other/)
  const command = await runCli(['lock', 'free', '--connect', cluster.addresses, '--', 'echo', 'ran'])
  assert.equal(command.code, EXIT.unavailable, command.stderr)
  assert.match(command.stderr, /a majority of the nodes is running/)
  assert.equal(command.stdout, '')

  await Promise.all(others.map((node) => node.start()))
  const again = await within('the same keeper is granted a lock', SOON_MS, keeper.lock('held'))
  assert.ok(again.token > lock.token)
  await session.release(token)
  assert.equal(await again.release(), 'released')
  // NO_LEADER is no denial: what was asked may yet have come to pass, and goes with its session.
  await session.close()
  assert.deepEqual((await keeper.get('free')).holders, [])
})
