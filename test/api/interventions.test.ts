import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Mode, type NameState, type Session } from '../../src/protocol/lockkeeper.js'
import { type Calls, OneNode, until } from './one-node.js'
import { PLAIN_CLAIM, PLAIN_RELEASE } from './plain.js'

const OPERATOR = 'ann: the disk is being replaced'

describe('calls about a claim that is held', () => {
  let node: OneNode
  let mine: Session
  let theirs: Session
  let seq = 0
  before(async () => {
    node = await OneNode.start()
    mine = await node.openSession()
    theirs = await node.openSession()
  })
  after(() => node.stop())

  function next(session: Session) {
    return { session, slot: 1, seq: ++seq }
  }

  async function hold(name: string, mode = Mode.EXCLUSIVE): Promise<number> {
    const { token } = await node.call('acquire', { ...PLAIN_CLAIM, ...next(mine), names: [name], mode })
    return token
  }

  async function state(name: string): Promise<NameState> {
    return (await node.call('getName', { name })).name!
  }

  async function code<C extends keyof Calls>(name: C, request: Calls[C]['request']): Promise<unknown> {
    return (await node.refusalOf(name, request)).code
  }

  it('update: it has other data, once; only its own session does that', async () => {
    const token = await hold('leader')
    const update = { ...next(mine), token, data: 'at 10.0.0.1' }
    assert.deepEqual(await node.call('update', update), {})
    await node.call('update', { ...next(mine), token, data: 'at 10.0.0.2' })
    assert.equal(await code('update', update), 'STALE_REQUEST')
    assert.equal((await state('leader')).holders[0]?.data, 'at 10.0.0.2')
    assert.equal(await code('update', { ...next(theirs), token, data: 'mine' }), 'NOT_HELD')
    assert.equal(await code('update', { ...next(mine), token, data: 'x'.repeat(16 * 1024 + 1) }), 'LIMIT')
  })

  it('update: repeated with its numbers it is answered again, and has no second effect', async () => {
    const token = await hold('repeated')
    const first = { ...next(mine), token, data: 'first' }
    await node.call('update', first)
    const { revision } = await state('repeated')
    assert.deepEqual(await node.call('update', first), {})
    assert.equal((await state('repeated')).revision, revision)
  })

  it('downgrade: from alone to beside others, with the same token, which lets readers in', async () => {
    const token = await hold('written')
    const reading = node.call('acquire', {
      ...PLAIN_CLAIM,
      ...next(theirs),
      names: ['written'],
      mode: Mode.SHARED,
    })
    await until(async () => (await state('written')).waiting === 1)
    const downgrade = { ...next(mine), token }
    assert.deepEqual(await node.call('downgrade', downgrade), {})
    const reader = await reading
    assert.deepEqual(await node.call('downgrade', downgrade), {}, 'repeated')
    const { holders } = await state('written')
    assert.deepEqual(
      holders.map((holder) => [holder.mode, holder.token]),
      [
        ['shared', token],
        ['shared', reader.token],
      ],
    )
    assert.equal(await code('downgrade', { ...next(mine), token }), 'INVALID')
    await node.call('release', { ...PLAIN_RELEASE, ...next(mine), token })
    assert.equal(await code('downgrade', { ...next(mine), token }), 'NOT_HELD')
  })

  it('forceRelease: ends it, says of how many, and is written down; repeated, it does not end the next', async () => {
    const ended = await hold('stuck')
    const waiting = node.call('acquire', { ...PLAIN_CLAIM, ...next(mine), slot: 2, names: ['stuck'] })
    await until(async () => (await state('stuck')).waiting === 1)
    const force = { ...next(theirs), name: 'stuck', token: 0, note: OPERATOR }
    assert.deepEqual(await node.call('forceRelease', force), { count: 1 })
    const { token } = await waiting
    assert.deepEqual(await node.call('forceRelease', force), { count: 1 })
    const { holders, interventions } = await state('stuck')
    assert.equal(holders[0]?.token, token)
    assert.deepEqual(
      interventions.map(({ agoMs, ...intervention }) => ({ ...intervention, isAgo: agoMs < 60_000 })),
      [{ kind: 'forceRelease', token: ended, session: theirs.id, note: OPERATOR, isAgo: true }],
    )
    const other = { ...next(theirs), name: 'stuck', token: token + 1_000, note: '' }
    assert.equal(await code('forceRelease', other), 'NOT_HELD')
    assert.equal(await code('forceRelease', { ...next(theirs), name: '', token: 0, note: '' }), 'INVALID')
  })

  it('requestRelease: ends nothing, and says how many were asked', async () => {
    const token = await hold('asked')
    const request = { ...next(theirs), name: 'asked', token, note: 'please' }
    assert.deepEqual(await node.call('requestRelease', request), { count: 1 })
    assert.deepEqual(await node.call('requestRelease', request), { count: 1 }, 'repeated')
    assert.equal((await state('asked')).holders[0]?.token, token)
    assert.equal(await code('requestRelease', { ...request, ...next(theirs), name: 'free' }), 'NOT_HELD')
  })

  it('suspend and resume: nothing is granted between them', async () => {
    const suspend = { ...next(theirs), name: 'closed', forMs: 60_000, note: OPERATOR }
    assert.deepEqual(await node.call('suspend', suspend), { count: 0 })
    assert.deepEqual(await node.call('suspend', suspend), { count: 0 }, 'repeated')
    const { suspension } = await state('closed')
    assert.equal(suspension?.note, OPERATOR)
    assert.ok(suspension?.leftMs !== undefined && suspension.leftMs > 50_000)
    const waiting = node.call('acquire', { ...PLAIN_CLAIM, ...next(mine), slot: 3, names: ['closed'] })
    await until(async () => (await state('closed')).waiting === 1)
    const resume = { ...next(theirs), name: 'closed', note: 'done' }
    assert.deepEqual(await node.call('resume', resume), {})
    assert.ok((await waiting).token > 0)
    assert.deepEqual(await node.call('resume', resume), {}, 'repeated')
    assert.equal(await code('resume', { ...resume, ...next(theirs) }), 'NOT_HELD')
    assert.equal(await code('suspend', { ...suspend, ...next(theirs), forMs: 0 }), 'INVALID')
  })

  it('each speaks for a session that lives, with its key', async () => {
    const numbers = { session: { id: mine.id, key: theirs.key }, slot: 9, seq: 1 }
    const intervention = { ...numbers, name: 'a', note: '' }
    for (const refused of [
      code('update', { ...numbers, token: 1, data: '' }),
      code('downgrade', { ...numbers, token: 1 }),
      code('forceRelease', { ...intervention, token: 0 }),
      code('requestRelease', { ...intervention, token: 0 }),
      code('suspend', { ...intervention, forMs: undefined }),
      code('resume', intervention),
    ])
      assert.equal(await refused, 'SESSION_FOREIGN')
  })
})
