import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/client/index.js'
import { OneNode } from './one-node.js'
import { PLAIN_CLAIM, PLAIN_RELEASE } from './plain.js'
import { helloOf, newKey, RawStream } from './raw-stream.js'

const DEADLINE_MS = 1_500

/** One of three, and the two others never come. */
describe('without a majority', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start(3)
  })
  after(() => node.stop())

  it('every call that needs one says so before the caller’s deadline', async () => {
    const session = { id: 1, key: 1 }
    const numbers = { session, slot: 1, seq: 1 }
    const intervention = { name: 'a', note: '' }
    const startMs = performance.now()
    const refusals = await Promise.all([
      node.refusalOf('openSession', { ttlMs: 1_000, label: '', key: 0 }, DEADLINE_MS),
      node.refusalOf('keepAlive', { session }, DEADLINE_MS),
      node.refusalOf('closeSession', { session }, DEADLINE_MS),
      node.refusalOf('acquire', { ...PLAIN_CLAIM, ...numbers, names: ['a'] }, DEADLINE_MS),
      node.refusalOf('release', { ...PLAIN_RELEASE, ...numbers, token: 1 }, DEADLINE_MS),
      node.refusalOf('cancel', numbers, DEADLINE_MS),
      node.refusalOf('update', { ...numbers, token: 1, data: '' }, DEADLINE_MS),
      node.refusalOf('downgrade', { ...numbers, token: 1 }, DEADLINE_MS),
      node.refusalOf('forceRelease', { ...numbers, ...intervention, token: 0 }, DEADLINE_MS),
      node.refusalOf('requestRelease', { ...numbers, ...intervention, token: 0 }, DEADLINE_MS),
      node.refusalOf('suspend', { ...numbers, ...intervention, forMs: undefined }, DEADLINE_MS),
      node.refusalOf('resume', { ...numbers, ...intervention }, DEADLINE_MS),
      node.refusalOf('getName', { name: 'a' }, DEADLINE_MS),
      node.refusalOf('listClaims', { name: 'a', line: 0, after: 0, limit: 0 }, DEADLINE_MS),
      node.refusalOf('listSessions', { after: 0, limit: 0 }, DEADLINE_MS),
      node.refusalOf('listNames', { prefix: '', after: '', limit: 0 }, DEADLINE_MS),
    ])
    assert.ok(performance.now() - startMs < DEADLINE_MS)
    for (const { status, code, message } of refusals) {
      assert.deepEqual([status, code], ['UNAVAILABLE', 'NO_LEADER'])
      assert.match(message, /no leader with a majority answered within \d+ ms; repeat/)
    }
  })

  it('nonsense is refused all the same', async () => {
    const refusal = await node.refusalOf('openSession', { ttlMs: 0, label: '', key: 0 }, DEADLINE_MS)
    assert.equal(refusal.code, 'INVALID')
  })

  it('the status is told, with nobody leading', async () => {
    const { topology, role } = await node.call('getStatus', {}, DEADLINE_MS)
    assert.equal(topology?.leader, 0)
    assert.notEqual(role, 'leader')
    assert.deepEqual(
      topology?.members.map(({ connected }) => connected),
      [true, false, false],
    )
  })

  it('streams without a Welcome, and calls that wait for a leader, learn that the node stops', async () => {
    const stream = new RawStream(node.client)
    stream.send(helloOf({ id: 0, key: newKey() }))
    const calls = [
      node.refusalOf('openSession', { ttlMs: 1_000, label: '', key: 0 }),
      node.refusalOf('getName', { name: 'a' }),
      node.refusalOf('listNames', { prefix: '', after: '', limit: 0 }),
    ]
    await node.call('getStatus', {})
    assert.equal(stream.ending, undefined)
    await node.stopNode()
    for (const { status, code } of [await stream.end(), ...(await Promise.all(calls))])
      assert.deepEqual([status, code], ['UNAVAILABLE', 'STOPPING'])
  })

  it('the client gives up in time, and says what it tried', async () => {
    const lonely = await OneNode.start(3)
    const error = await connect(lonely.address, { connectTimeoutMs: 700 }).catch((problem: Error) => problem)
    assert.ok(error instanceof Error)
    assert.equal(error.name, 'ConnectError')
    assert.match(error.message, /within 700 ms; tried: .*Check the addresses, and that a majority/)
    await lonely.stop()
  })
})
