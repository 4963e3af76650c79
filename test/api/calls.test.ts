import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { grpcStatus } from '../../src/api/refusal.js'
import { Machine } from '../../src/machine/machine.js'
import { Proposals } from '../../src/proposals/proposals.js'
import { type AcquireResponse, RefusalCode, type Session } from '../../src/protocol/lockkeeper.js'
import { type Calls, type Ending, OneNode, until } from './one-node.js'
import { PLAIN_CLAIM, PLAIN_RELEASE } from './plain.js'
import { acquire, RawStream, RENEW } from './raw-stream.js'

describe('unary calls', () => {
  let node: OneNode
  let mine: Session
  let theirs: Session
  before(async () => {
    node = await OneNode.start()
    mine = await node.openSession()
    theirs = await node.openSession()
  })
  after(() => node.stop())

  function asking(session: Session, slot: number, seq: number, name: string, waitMs?: number) {
    return { ...PLAIN_CLAIM, session, slot, seq, names: [name], waitMs }
  }

  function releasing(session: Session, slot: number, seq: number, token: number) {
    return { ...PLAIN_RELEASE, session, slot, seq, token }
  }

  async function waiting(name: string): Promise<number> {
    return (await node.call('getName', { name })).name!.waiting
  }

  /** The whole of the contract in one refusal: code in the metadata, status by the one table, and what to do. */
  async function refused<C extends keyof Calls>(
    code: Parameters<typeof grpcStatus>[0],
    name: C,
    request: Calls[C]['request'],
  ): Promise<Ending> {
    const ending = await node.refusalOf(name, request)
    assert.deepEqual([ending.code, ending.status], [code, status[grpcStatus(code)]])
    assert.match(ending.message, /[;,:] | must /, 'says what to do next')
    return ending
  }

  it('open, keep alive and close a session', async () => {
    const opened = await node.call('openSession', { ttlMs: 1_234, label: 'cron', key: 0 })
    assert.equal(opened.ttlMs, 1_234)
    const session = opened.session!
    assert.ok(session.key > 0, 'who brings no key is given one')
    const again = await node.call('openSession', { ttlMs: 9_999, label: '', key: session.key })
    assert.deepEqual(again, opened, 'the same key, the same session')
    assert.deepEqual(await node.call('keepAlive', { session }), { ttlMs: 1_234 })
    await node.call('closeSession', { session })
    await refused('SESSION_EXPIRED', 'closeSession', { session })
    await refused('SESSION_EXPIRED', 'keepAlive', { session })
  })

  it('acquire and release, each with one effect however often it is repeated', async () => {
    const { token } = await node.call('acquire', asking(mine, 1, 1, 'a'))
    assert.deepEqual(await node.call('acquire', asking(mine, 1, 1, 'a')), granted(token))
    await node.call('release', releasing(mine, 1, 2, token))
    await node.call('release', releasing(mine, 1, 2, token))
    await refused('NOT_HELD', 'release', releasing(mine, 1, 3, token))
    await refused('STALE_REQUEST', 'acquire', asking(mine, 1, 1, 'a'))
  })

  it('speak only for a session that lives, with its key', async () => {
    const unknown = { id: 2 ** 40, key: mine.key }
    const foreign = { id: mine.id, key: theirs.key }
    for (const [session, code] of [
      [unknown, 'SESSION_UNKNOWN'],
      [foreign, 'SESSION_FOREIGN'],
      [undefined, 'INVALID'],
    ] as const) {
      const numbers = { session, slot: 99, seq: 1 }
      await refused(code, 'keepAlive', { session })
      await refused(code, 'closeSession', { session })
      await refused(code, 'acquire', { ...PLAIN_CLAIM, ...numbers, names: ['a'], waitMs: 0 })
      await refused(code, 'release', { ...PLAIN_RELEASE, ...numbers, token: 1 })
      await refused(code, 'cancel', numbers)
    }
  })

  it('refuse each kind of nonsense by the table', async () => {
    const { token } = await node.call('acquire', asking(mine, 2, 1, 'taken'))
    await refused('TIMEOUT', 'acquire', asking(theirs, 2, 1, 'taken', 0))
    await refused('TIMEOUT', 'acquire', asking(theirs, 2, 2, 'taken', 20))
    await refused('NOT_HELD', 'release', releasing(theirs, 2, 3, token))
    await refused('INVALID', 'acquire', asking(mine, 65_537, 1, 'a'))
    await refused('INVALID', 'acquire', asking(mine, 2, 0, 'a'))
    await refused('INVALID', 'acquire', asking(mine, 2, 2, 'a', 24 * 60 * 60 * 1000 + 1))
    await refused('LIMIT', 'acquire', asking(mine, 2, 2, 'x'.repeat(513)))
    await refused('INVALID', 'getName', { name: '' })
    await refused('INVALID', 'release', releasing(mine, 2, 1, token))
  })

  it('there is a status for every code, and UNAVAILABLE is for those worth repeating', () => {
    const codes = Object.keys(RefusalCode).filter((code) => /^[A-Z_]+$/.test(code))
    const ours = codes.filter((code) => code !== 'REFUSAL_CODE_UNSPECIFIED' && code !== 'UNRECOGNIZED')
    assert.ok(ours.length > 10)
    const repeatable = ours.filter((code) => {
      const mapped = grpcStatus(code as Parameters<typeof grpcStatus>[0])
      assert.ok(mapped > 0, `${code} is an error`)
      return mapped === status.UNAVAILABLE
    })
    assert.deepEqual(repeatable.sort(), ['BUSY', 'NO_LEADER', 'STOPPING'])
  })

  it('a waiting acquire whose deadline passes keeps its place; repeated, it gets the lock', async () => {
    const { token } = await node.call('acquire', asking(mine, 3, 1, 'slow'))
    const late = await node.refusalOf('acquire', asking(theirs, 3, 1, 'slow'), 150)
    assert.deepEqual([late.status, late.code], ['DEADLINE_EXCEEDED', undefined])
    assert.equal(await waiting('slow'), 1)
    const repeated = node.call('acquire', asking(theirs, 3, 1, 'slow'))
    await node.call('release', releasing(mine, 3, 2, token))
    assert.deepEqual(await repeated, granted(token + 1))
    assert.deepEqual(await node.call('acquire', asking(theirs, 3, 1, 'slow')), granted(token + 1))
  })

  it('a cancel ends a waiting acquire of another call', async () => {
    await node.call('acquire', asking(mine, 4, 1, 'given up'))
    const acquiring = node.refusalOf('acquire', asking(theirs, 4, 1, 'given up'))
    await until(async () => (await waiting('given up')) === 1)
    await node.call('cancel', { session: theirs, slot: 4, seq: 1 })
    const { status, code } = await acquiring
    assert.deepEqual([status, code], ['CANCELLED', 'CANCELLED'])
    assert.equal(await waiting('given up'), 0)
    await node.call('cancel', { session: theirs, slot: 4, seq: 1 })
  })

  it('a stream and calls of one session see the same claims', async () => {
    const stream = await RawStream.attach(node.client, mine)
    const answer = await stream.answerTo(5, 1, acquire('both ways'))
    const { token } = await node.call('acquire', asking(mine, 5, 1, 'both ways'))
    assert.equal(answer, `granted ${token}`)
    stream.close()
  })

  it('a handler that throws is answered INTERNAL, and the node goes on', async (t) => {
    const stream = await RawStream.attach(node.client)
    t.mock.method(Machine.prototype, 'name', fail)
    await refused('INTERNAL', 'getName', { name: 'a' })
    t.mock.method(Proposals.prototype, 'submit', fail)
    await refused('INTERNAL', 'keepAlive', { session: mine })
    stream.ask(0, 1, RENEW)
    const { status, code } = await stream.end()
    assert.deepEqual([status, code], ['INTERNAL', 'INTERNAL'])
    t.mock.restoreAll()
    await node.call('keepAlive', { session: mine })
    const again = await RawStream.attach(node.client, stream.session)
    assert.equal(await again.answerTo(0, 1, RENEW), 'renewed')
    again.close()
  })
})

function granted(token: number): AcquireResponse {
  return { token, seats: [], found: undefined }
}

function fail(): never {
  throw new Error('a mistake of ours')
}
