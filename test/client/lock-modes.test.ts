import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { DeadlockError, type Keeper, LockTimeoutError, RefusedError } from '../../src/client/index.js'
import { crowd, Served, until, waiting } from './served.js'

describe('locks in all their modes', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  before(async () => {
    ann = await served.connect()
    bob = await served.connect()
  })

  it('readers share, a writer waits for them, and later readers wait behind the writer', async () => {
    const first = await ann.lock('book', { mode: 'shared' })
    const second = await bob.lock('book', { mode: 'shared' })
    const writer = ann.lock('book')
    await waiting(bob, 'book', 1)
    assert.equal(await bob.lock('book', { mode: 'shared', ifAvailable: true }), null)
    await Promise.all([first.release(), second.release()])
    await using held = await writer
    assert.ok(held.token > second.token)
  })

  it('a writer that becomes a reader lets the waiting readers in, with its token', async () => {
    await using writer = await ann.lock('page')
    const reading = bob.lock('page', { mode: 'shared' })
    await waiting(ann, 'page', 1)
    const { token } = writer
    await writer.downgrade()
    await using reader = await reading
    assert.ok(reader.token > token)
    assert.deepEqual([writer.token, writer.state], [token, 'held'])
    await assert.rejects(writer.downgrade(), { name: 'RefusedError', code: 'INVALID' })
  })

  it('a reader that upgrades waits for the other readers only, and its old handle is over', async () => {
    const mine = await ann.lock('leaf', { mode: 'shared' })
    const theirs = await bob.lock('leaf', { mode: 'shared' })
    const upgrading = mine.upgrade()
    await waiting(bob, 'leaf', 1)
    assert.equal(mine.state, 'held')
    await theirs.release()
    await using writer = await upgrading
    assert.deepEqual([mine.state, writer.state], ['released', 'held'])
    assert.ok(writer.token > theirs.token)
    assert.equal(await mine.release(), 'released')
    assert.deepEqual(await crowd(bob, 'leaf'), [1, 0, 0])
  })

  it('two readers that would both upgrade would wait for each other: the second is refused, and reads on', async () => {
    await using mine = await ann.lock('knot', { mode: 'shared' })
    const theirs = await bob.lock('knot', { mode: 'shared' })
    const upgrading = mine.upgrade()
    await waiting(bob, 'knot', 1)
    await assert.rejects(theirs.upgrade(), DeadlockError)
    assert.equal(theirs.state, 'held')
    await theirs.release()
    await (await upgrading).release()
  })

  it('an upgrade that comes too late leaves the shared lock as it was', async () => {
    await using mine = await ann.lock('late', { mode: 'shared' })
    await using _theirs = await bob.lock('late', { mode: 'shared' })
    await assert.rejects(mine.upgrade({ waitMs: 20 }), LockTimeoutError)
    assert.equal(mine.state, 'held')
    assert.deepEqual(await crowd(bob, 'late'), [2, 0, 0])
  })

  it('an upgrade that is given up takes the shared lock along: it may have been replaced meanwhile', async () => {
    const mine = await ann.lock('dropped', { mode: 'shared' })
    const theirs = await bob.lock('dropped', { mode: 'shared' })
    const giveUp = new AbortController()
    const upgrading = mine.upgrade({ signal: giveUp.signal })
    await waiting(bob, 'dropped', 1)
    giveUp.abort(new Error('enough'))
    assert.equal(mine.state, 'released')
    await assert.rejects(upgrading, /enough/)
    await until(async () => String(await crowd(bob, 'dropped')) === '1,0,0')
    await theirs.release()
  })

  it('an owner that asks again holds it once more, with one token, and releases each', async () => {
    const first = await ann.lock('again', { owner: 'task', reentrant: true })
    const second = await ann.lock('again', { owner: 'task', reentrant: true })
    assert.equal(second.token, first.token)
    await first.release()
    assert.deepEqual([first.state, second.state], ['released', 'held'])
    assert.deepEqual(await crowd(bob, 'again'), [1, 0, 0])
    await second.release()
    assert.deepEqual(await crowd(bob, 'again'), [0, 0, 0])
  })

  it('what is held many times is lost at once', async () => {
    const first = await ann.lock('twice', { owner: 'task', reentrant: true })
    const second = await ann.lock('twice', { owner: 'task', reentrant: true })
    await bob.forceRelease('twice', { note: 'by hand' })
    await until(() => first.state === 'lost')
    assert.equal(second.state, 'lost')
  })

  it('an owner that would wait for itself is told so, and by way of whom', async () => {
    await using one = await ann.lock('one', { owner: 'a' })
    await using two = await bob.lock('two', { owner: 'b' })
    const crossing = ann.lock('two', { owner: 'a' })
    await waiting(bob, 'two', 1)
    await assert.rejects(bob.lock('one', { owner: 'b' }), (error: unknown) => {
      assert.ok(error instanceof DeadlockError && error instanceof RefusedError)
      assert.match(error.message, /'one' of 'a' of session \d+, which waits for 'two' of itself/)
      return true
    })
    assert.equal((await bob.get('one')).waiting, 0)
    await two.release()
    await (await crossing).release()
    assert.equal(one.state, 'held')
  })

  it('the greater priority goes first', async () => {
    const held = await ann.lock('queue')
    const order: string[] = []
    const low = bob.withLock('queue', () => order.push('low'))
    await waiting(ann, 'queue', 1)
    const high = bob.withLock('queue', { priority: 9 }, () => order.push('high'))
    await waiting(ann, 'queue', 2)
    await held.release()
    await Promise.all([low, high])
    assert.deepEqual(order, ['high', 'low'])
  })

  it('who steals gets it before all who wait, and the holder is told by whom', async () => {
    const held = await ann.lock('gem')
    const { signal } = held
    const waits = ann.lock('gem')
    await waiting(ann, 'gem', 1)
    await using stolen = await bob.lock('gem', { steal: true, label: 'the thief' })
    await until(() => signal.aborted)
    assert.equal(held.state, 'lost')
    assert.throws(() => held.assertHeld(), { name: 'LockLostError', note: /the thief/, token: held.token })
    assert.equal(await held.release(), 'lost')
    assert.equal(stolen.state, 'held')
    await stolen.release()
    await (await waits).release()
  })

  it('a name that is released to rest is granted to nobody for so long', async () => {
    const lock = await ann.lock('rests')
    assert.equal(await lock.release({ restMs: 60_000 }), 'released')
    assert.equal(await bob.lock('rests', { ifAvailable: true }), null)
    assert.ok((await bob.get('rests')).restMs > 50_000)
  })

  it('after a loss, and after a hold that was too short, the names rest', async () => {
    const brief = await ann.lock('brief', { minHoldMs: 60_000 })
    await brief.release()
    assert.ok((await bob.get('brief')).restMs > 50_000)
    await ann.lock('delayed', { lockDelayMs: 60_000 })
    await bob.forceRelease('delayed')
    assert.ok((await bob.get('delayed')).restMs > 50_000)
  })

  it('a rest that the cluster refuses leaves the lock held', async () => {
    await using lock = await ann.lock('restless')
    await assert.rejects(lock.release({ restMs: 400 * 86_400_000 }), { code: 'INVALID', message: /restMs/ })
    assert.equal(lock.state, 'held')
    lock.assertHeld()
    assert.deepEqual(await crowd(bob, 'restless'), [1, 0, 0])
  })

  it('makes no sense of nonsense', async () => {
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    await assert.rejects(ann.lock('x', { mode: 'sharde' as 'shared' }), invalid)
    await assert.rejects(ann.lock('x', { priority: 256 }), invalid)
    for (const priority of [0.5, -1, Number.NaN]) await assert.rejects(ann.lock('x', { priority }), invalid)
    await assert.rejects(ann.lock('x', { minHoldMs: Number.NaN }), invalid)
    await assert.rejects(ann.lock('x', { reentrant: true }), invalid)
    await assert.rejects(ann.lock('x', { mode: 'shared', steal: true }), invalid)
    await assert.rejects(ann.lock('x', { lockDelayMs: -1 }), invalid)
    await assert.rejects(ann.lock('x', { data: 7 as unknown as string }), invalid)
    await assert.rejects(ann.lock('x', { data: 'x'.repeat(20_000) }), { code: 'LIMIT' })
    assert.deepEqual(await crowd(bob, 'x'), [0, 0, 0])
  })

  it('who leaves the queue by a signal leaves nothing behind, in any mode', async () => {
    await using _held = await ann.lock('left')
    for (const mode of ['shared', 'exclusive'] as const) {
      const leave = new AbortController()
      const asked = bob.lock('left', { mode, owner: 'task', signal: leave.signal })
      await waiting(ann, 'left', 1)
      leave.abort()
      await assert.rejects(asked, { name: 'AbortError' })
      await waiting(ann, 'left', 0)
    }
  })
})
