import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Keeper } from '../../src/client/index.js'
import { crowd, Served, until, waiting } from './served.js'

describe('a semaphore', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  before(async () => {
    ann = await served.connect()
    bob = await served.connect()
  })

  it('grants so many permits, each with a seat of its own, and the next when one is given back', async () => {
    const doors = {
      ann: ann.semaphore('doors', { capacity: 3 }),
      bob: bob.semaphore('doors', { capacity: 3 }),
    }
    const two = await doors.ann.acquire({ permits: 2 })
    const one = await doors.bob.acquire()
    assert.deepEqual([two.seats, one.seats], [[0, 1], [2]])
    assert.equal(await doors.bob.acquire({ ifAvailable: true }), null)
    const next = doors.bob.acquire({ permits: 2 })
    await waiting(ann, 'doors', 1)
    assert.equal(await two.release(), 'released')
    const granted = await next
    assert.deepEqual(granted.seats, [0, 1])
    assert.ok(granted.token > one.token)
    await Promise.all([granted.release(), one.release()])
  })

  it('lets nobody who asks for few pass one who asks for many', async () => {
    const gate = ann.semaphore('gate', { capacity: 2 })
    await using held = await gate.acquire()
    const many = gate.acquire({ permits: 2 })
    await waiting(bob, 'gate', 1)
    assert.equal(await bob.semaphore('gate', { capacity: 2 }).acquire({ ifAvailable: true }), null)
    await held.release()
    await (await many).release()
  })

  it('has one capacity, and a name has one use', async () => {
    await using _held = await ann.semaphore('pool', { capacity: 2 }).acquire()
    const conflict = { name: 'RefusedError', code: 'CONFLICT', message: /a semaphore of 2/ }
    await assert.rejects(bob.semaphore('pool', { capacity: 3 }).acquire(), conflict)
    await assert.rejects(bob.lock('pool'), conflict)
  })

  it('is lost like any lock, and its seat goes to the next', async () => {
    const permits = await ann.semaphore('taken', { capacity: 1 }).acquire()
    const next = bob.semaphore('taken', { capacity: 1 }).acquire()
    await waiting(ann, 'taken', 1)
    await bob.forceRelease('taken', { token: permits.token })
    await until(() => permits.state === 'lost')
    const granted = await next
    assert.deepEqual(granted.seats, [0])
    await granted.release()
  })

  it('leaves nothing behind when waiting is given up', async () => {
    const full = ann.semaphore('full', { capacity: 1 })
    await using _held = await full.acquire()
    await assert.rejects(full.acquire({ waitMs: 20 }), { name: 'LockTimeoutError', code: 'TIMEOUT' })
    const leave = new AbortController()
    const asked = full.acquire({ signal: leave.signal })
    await waiting(bob, 'full', 1)
    leave.abort()
    await assert.rejects(asked, { name: 'AbortError' })
    await until(async () => String(await crowd(bob, 'full')) === '1,0,0')
  })

  it('makes no sense of nonsense', async () => {
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    for (const capacity of [0, -1, 1.5, Number.NaN, 1e9])
      await assert.rejects(ann.semaphore('x', { capacity }).acquire(), invalid)
    for (const permits of [0, 3, -1, 0.5])
      await assert.rejects(ann.semaphore('x', { capacity: 2 }).acquire({ permits }), invalid)
    await assert.rejects(ann.semaphore('', { capacity: 2 }).acquire(), invalid)
    assert.deepEqual(await crowd(bob, 'x'), [0, 0, 0])
  })
})
