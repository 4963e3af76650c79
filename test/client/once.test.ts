import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Keeper } from '../../src/client/index.js'
import { World } from './peer.js'
import { crowd, Served, until, waiting } from './served.js'

const MINUTE = { ttl: '1m' } as const

describe('work that is done once', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  before(async () => {
    ann = await served.connect()
    bob = await served.connect()
  })

  it('is done by the first; those who come meanwhile and later are given what came of it', async () => {
    let runs = 0
    let finish = (): void => undefined
    const work = async (): Promise<object> => {
      runs++
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      return { paid: 12, text: 'a \ufffd b\n' }
    }
    const first = ann.once('pay/1', work, MINUTE)
    await until(() => runs === 1)
    const second = bob.once('pay/1', work, MINUTE)
    await waiting(ann, 'pay/1', 1)
    finish()
    const paid = { paid: 12, text: 'a \ufffd b\n' }
    assert.deepEqual(await first, paid)
    assert.deepEqual(await second, paid)
    assert.deepEqual(await ann.once('pay/1', work, MINUTE), paid)
    assert.equal(runs, 1)
    assert.deepEqual(await crowd(ann, 'pay/1'), [0, 0, 0])
  })

  it('may come to nothing', async () => {
    assert.equal(await ann.once('void', () => undefined, MINUTE), undefined)
    assert.equal(await bob.once('void', () => assert.fail('done before'), MINUTE), undefined)
    assert.equal(await ann.once('null', () => null, MINUTE), null)
    assert.equal(await bob.once('null', () => assert.fail('done before'), MINUTE), null)
  })

  it('is done again when its time has passed', async () => {
    let runs = 0
    const work = (): number => ++runs
    assert.equal(await ann.once('short', work, { ttl: 50 }), 1)
    await until(async () => (await ann.get('short')).kept === undefined)
    assert.equal(await ann.once('short', work, { ttl: 50 }), 2)
  })

  it('that fails is done by the next who waits', async () => {
    let fail = (): void => undefined
    const first = ann.once(
      'fails',
      () =>
        new Promise((_, reject) => {
          fail = () => reject(new Error('card declined'))
        }),
      MINUTE,
    )
    await until(async () => (await bob.get('fails')).holding === 1)
    const second = bob.once('fails', (claim) => claim.token, MINUTE)
    await waiting(ann, 'fails', 1)
    fail()
    await assert.rejects(first, /card declined/)
    assert.ok((await second) > 0)
  })

  it('whose runner is lost is taken over with a greater token; what the lost one made counts for nothing', async () => {
    const lost = await served.connect({ ttlMs: 1_000 })
    let finish = (_made: string): void => undefined
    let lostToken = 0
    const first = lost.once(
      'crash',
      ({ token }) => {
        lostToken = token
        return new Promise<string>((resolve) => {
          finish = resolve
        })
      },
      MINUTE,
    )
    await until(() => lostToken > 0)
    const second = bob.once('crash', ({ token }) => `by ${token}`, MINUTE)
    await waiting(ann, 'crash', 1)
    await ann.forceRelease('crash')
    const made = await second
    assert.ok(Number(made.slice(3)) > lostToken)
    finish('too late')
    await assert.rejects(first, { name: 'LockLostError', token: lostToken })
    assert.equal(await ann.once('crash', () => 'again', MINUTE), made)
  })

  it('is one thing to a key: another fingerprint is refused, before and after it is done', async () => {
    let finish = (): void => undefined
    const conflict = { name: 'RefusedError', code: 'CONFLICT' }
    const other = () => bob.once('print', () => 'other', { ...MINUTE, fingerprint: 'b' })
    const doing = ann.once(
      'print',
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
      { ...MINUTE, fingerprint: 'a' },
    )
    await until(async () => (await bob.get('print')).holding === 1)
    await assert.rejects(other(), conflict)
    finish()
    await doing
    await assert.rejects(other(), conflict)
    await assert.rejects(bob.lock('print'), conflict)
  })

  it('with too large a result is refused, and nothing stays of it', async () => {
    const large = ann.once('large', () => 'x'.repeat(20_000), MINUTE)
    await assert.rejects(large, { name: 'RefusedError', code: 'LIMIT' })
    assert.deepEqual(await crowd(bob, 'large'), [0, 0, 0])
    const huge = ann.once('large', () => 'x'.repeat(5_000_000), MINUTE)
    await assert.rejects(huge, { name: 'RefusedError', code: 'LIMIT' })
    assert.equal(await bob.once('large', () => 'small', MINUTE), 'small')
  })

  it('that can be no JSON fails, and nothing stays of it', async () => {
    await assert.rejects(
      ann.once('big', () => 1n, MINUTE),
      TypeError,
    )
    assert.deepEqual(await crowd(bob, 'big'), [0, 0, 0])
  })

  it('is not waited for beyond the limit, or the signal', async () => {
    await using _held = await ann.lock('elsewhere')
    let finish = (): void => undefined
    const doing = ann.once(
      'slow',
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
      MINUTE,
    )
    await until(async () => (await bob.get('slow')).holding === 1)
    const never = (): never => assert.fail('must not run')
    await assert.rejects(bob.once('slow', never, { ...MINUTE, waitMs: 20 }), { code: 'TIMEOUT' })
    const leave = new AbortController()
    const left = bob.once('slow', never, { ...MINUTE, signal: leave.signal })
    await waiting(ann, 'slow', 1)
    leave.abort()
    await assert.rejects(left, { name: 'AbortError' })
    await waiting(ann, 'slow', 0)
    finish()
    await doing
  })

  it('makes no sense of nonsense', async () => {
    const never = (): never => assert.fail('must not run')
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    await assert.rejects(ann.once('x', never, { ttl: 0 }), invalid)
    await assert.rejects(ann.once('x', never, { ttl: Number.NaN }), invalid)
    await assert.rejects(ann.once('x', never, { ttl: '32d' }), invalid)
    await assert.rejects(ann.once('', never, MINUTE), invalid)
    await assert.rejects(ann.once('x', never, { ...MINUTE, fingerprint: 7 as unknown as string }), invalid)
  })
})

describe('work that is done once, for a client whose answers get lost', () => {
  it('is asked for anew if its result has gone before the answer came through', async () => {
    const world = new World()
    const keeper = await world.connect()
    const doing = keeper.once('key', () => 'done', MINUTE)
    await world.clock.turn()
    const first = world.link.last('acquire')
    world.link.refuse(first, 'STALE_REQUEST')
    await world.clock.turn()
    const second = world.link.last('acquire')
    assert.notDeepEqual([second.slot, second.seq], [first.slot, first.seq])
    world.link.grant(second, 7)
    await world.clock.turn()
    world.link.answer(world.link.last('release'), { $case: 'released', value: {} })
    assert.equal(await doing, 'done')
  })
})
