import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Keeper } from '../../src/client/index.js'
import { crowd, Served, until, waiting } from './served.js'

describe('what is done about a name that others hold', () => {
  const served = new Served()
  let holder: Keeper
  let operator: Keeper
  before(async () => {
    holder = await served.connect({ label: 'worker' })
    operator = await served.connect({ label: 'operator' })
  })

  it('force ends a holder, who is told why at once, and lets the next follow', async () => {
    const lock = await holder.lock('stuck')
    const states: string[] = []
    lock.onStateChange((state) => states.push(state))
    const { signal } = lock
    const next = operator.lock('stuck')
    await waiting(operator, 'stuck', 1)
    assert.equal(await operator.forceRelease('stuck', { note: 'hangs since noon' }), 1)
    await using follower = await next
    await until(() => signal.aborted)
    assert.deepEqual(states, ['lost'])
    assert.match(signal.reason.message, /taken by force: hangs since noon/)
    assert.equal(await lock.release(), 'lost')
    assert.equal(follower.state, 'held')
    const [done] = (await operator.get('stuck')).interventions
    assert.deepEqual([done?.kind, done?.note], ['forceRelease', 'hangs since noon'])
  })

  it('of several readers it ends the one that is named', async () => {
    const first = await holder.lock('shared', { mode: 'shared' })
    await using second = await holder.lock('shared', { mode: 'shared' })
    assert.equal(await operator.forceRelease('shared', { token: first.token }), 1)
    await until(() => first.state === 'lost')
    assert.equal(second.state, 'held')
    await assert.rejects(operator.forceRelease('shared', { token: first.token }), { code: 'NOT_HELD' })
  })

  it('a holder can be asked to release, and decides itself', async () => {
    const lock = await holder.lock('asked')
    const notes: string[] = []
    const stop = lock.onReleaseRequested((note) => notes.push(note))
    assert.equal(await operator.requestRelease('asked', { note: 'please' }), 1)
    await until(() => notes.length === 1)
    stop()
    assert.equal(await operator.requestRelease('asked', { note: 'again' }), 1)
    await using answered = await holder.lock('asked-after')
    assert.equal(answered.state, 'held')
    assert.deepEqual([notes, lock.state], [['please'], 'held'])
    await lock.release()
    await assert.rejects(operator.requestRelease('asked'), { code: 'NOT_HELD' })
  })

  it('a name that is suspended is granted to nobody until it is resumed', async () => {
    const lock = await holder.lock('closed')
    const notes: string[] = []
    lock.onReleaseRequested((note) => notes.push(note))
    assert.equal(await operator.suspend('closed', { note: 'new disks' }), 1)
    await until(() => notes.length === 1)
    assert.match(notes[0]!, /new disks/)
    await lock.release()
    assert.equal(await holder.lock('closed', { ifAvailable: true }), null)
    const patient = holder.lock('closed')
    await waiting(operator, 'closed', 1)
    assert.equal((await operator.get('closed')).suspension?.note, 'new disks')
    await operator.resume('closed')
    await (await patient).release()
    await assert.rejects(operator.resume('closed'), { code: 'NOT_HELD' })
  })

  it('a suspension may have an end', async () => {
    assert.equal(await operator.suspend('brief', { forMs: 50 }), 0)
    await (await holder.lock('brief', { waitMs: 8_000 })).release()
  })

  it('sessions and lines are listed, page after page', async () => {
    await using lock = await holder.lock('listed')
    const waiters = Array.from({ length: 230 }, () => operator.lock('listed'))
    await waiting(operator, 'listed', waiters.length)
    const tokens: number[] = []
    for await (const claim of operator.claims('listed', 'holders')) tokens.push(claim.token)
    assert.deepEqual(tokens, [lock.token])
    const ids: number[] = []
    for await (const claim of operator.claims('listed', 'waiters')) ids.push(claim.id)
    assert.equal(new Set(ids).size, waiters.length)
    const labels: string[] = []
    for await (const { label } of operator.sessions()) labels.push(label)
    assert.ok(labels.includes('worker') && labels.includes('operator'))
    await lock.release()
    for (const waiter of waiters) await (await waiter).release()
    assert.deepEqual(await crowd(operator, 'listed'), [0, 0, 0])
  })

  it('a line is listed to its end though the last of a page leaves it meanwhile', async () => {
    const joined = await Promise.all(Array.from({ length: 150 }, () => holder.group('moving').join()))
    const members = await operator.group('moving').members()
    const seen: number[] = []
    for await (const claim of operator.claims('moving', 'members')) {
      seen.push(claim.token)
      if (seen.length !== 100) continue
      const leaving = new Set(seen.slice(-3))
      await Promise.all(joined.filter(({ token }) => leaving.has(token)).map((member) => member.leave()))
    }
    assert.deepEqual(
      seen,
      members.map(({ token }) => token),
    )
  })

  it('makes no sense of nonsense', async () => {
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    await assert.rejects(operator.forceRelease('x'), { code: 'NOT_HELD' })
    await assert.rejects(operator.forceRelease('x', { token: -1 }), invalid)
    await assert.rejects(operator.suspend('x', { forMs: 0 }), invalid)
    await assert.rejects(operator.suspend('x', { note: 'a'.repeat(300) }), { code: 'LIMIT' })
    await assert.rejects(operator.suspend(7 as unknown as string), invalid)
  })
})
