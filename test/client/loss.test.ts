import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LockLostError, SessionLostError } from '../../src/client/errors.js'
import type { Keeper } from '../../src/client/keeper.js'
import type { Lock } from '../../src/client/lock.js'
import { SESSION, World } from './peer.js'

const MARGIN_MS = 450

async function lockOn(world: World, keeper: Keeper, name: string, token: number): Promise<Lock> {
  const promise = keeper.lock(name)
  await world.clock.turn()
  world.link.grant(world.link.last('acquire'), token)
  return promise
}

describe('the holder knows first (P6, fault 51)', () => {
  it('becomes unsure, then lost, before a cluster that heard nothing could expire the session', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    const openedMs = world.clock.nowMs()
    const states: string[] = []
    lock.onStateChange((state) => states.push(`${state} at ${world.clock.nowMs() - openedMs}`))
    const { signal } = lock
    await world.clock.advance(9_000)
    assert.deepEqual(states, ['unsure at 6000', `lost at ${9_000 - MARGIN_MS}`])
    assert.ok(signal.aborted)
    assert.ok(signal.reason instanceof LockLostError)
    assert.throws(() => lock.assertHeld(), LockLostError)
  })

  it('stays held while renewals are acknowledged, each third of the TTL', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    for (let i = 0; i < 10; i++) {
      await world.clock.advance(3_000)
      world.link.renewed()
    }
    assert.equal(lock.state, 'held')
    assert.equal(world.link.count('renew'), 10)
    assert.equal(world.links.length, 1)
  })

  it('is held again when a late renewal is acknowledged in time, counted from its sending', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    await world.clock.advance(8_000)
    assert.equal(lock.state, 'unsure')
    world.links[0]!.renewed() // sent at 3,000
    assert.equal(lock.state, 'held')
    assert.equal(lock.expiresInMs, 3_000 + 9_000 - MARGIN_MS - 8_000)
  })

  it('is lost at once when asked after a freeze, though no timer has run', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    const { signal } = lock
    world.clock.freeze(9_000)
    assert.throws(() => lock.assertHeld(), LockLostError)
    assert.equal(lock.state, 'lost')
    assert.ok(signal.aborted)
    assert.equal(lock.expiresInMs, 0)
  })

  it('is not revived by an acknowledgement that waited in the socket during a freeze', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    await world.clock.advance(3_100)
    world.clock.freeze(6_000)
    world.link.renewed() // sent at 3,000, before the freeze
    assert.equal(lock.state, 'lost')
    await world.clock.advance(1)
    assert.equal(lock.state, 'lost')
  })

  it('hands out no grant that arrives after the deadline', async () => {
    const world = new World()
    const keeper = await world.connect()
    const promise = keeper.lock('a')
    await world.clock.turn()
    world.clock.freeze(8_600)
    world.link.grant(world.link.last('acquire'), 7)
    await assert.rejects(promise, SessionLostError)
  })

  it('loses everything when the cluster says that the session ended', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    const waiting = keeper.lock('b')
    const losses: string[] = []
    keeper.onSessionLost((error) => losses.push(error.code))
    await world.clock.turn()
    world.link.say({ sessionEnded: { reason: 'EXPIRED' } })
    assert.equal(lock.state, 'lost')
    await assert.rejects(waiting, SessionLostError)
    assert.deepEqual(losses, ['SESSION_LOST'])
    assert.equal(world.clock.planned, 0)
  })

  it('loses everything when a node refuses to resume the session', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    world.link.break()
    await world.clock.advance(50)
    assert.equal(world.link.hello.session?.id, SESSION)
    world.link.refuseHello('SESSION_EXPIRED')
    assert.equal(lock.state, 'lost')
  })

  it('opens a new session for the next lock, which inherits nothing (fault 49)', async () => {
    const world = new World()
    const keeper = await world.connect()
    const old = await lockOn(world, keeper, 'a', 7)
    const oldKey = world.link.hello.session?.key
    world.link.say({ sessionEnded: { reason: 'EXPIRED' } })
    world.onDial = (link) => link.welcome()
    const promise = keeper.lock('a')
    await world.clock.turn()
    assert.equal(world.link.hello.session?.id, 0)
    assert.equal(world.link.last('acquire').seq, 1)
    world.link.grant(world.link.last('acquire'), 9)
    assert.equal((await promise).state, 'held')
    assert.equal(old.state, 'lost')
    assert.ok(oldKey)
  })

  it('releases nothing when the lock is lost, and says so', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    world.clock.freeze(9_000)
    assert.equal(await lock.release(), 'lost')
    assert.equal(await lock.release(), 'lost')
    await world.clock.turn()
    assert.equal(world.link.count('release'), 0)
  })

  it('says lost when the cluster no longer knows the token (fault 47)', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    const outcome = lock.release()
    assert.equal(lock.release(), outcome)
    await world.clock.turn()
    assert.equal(world.link.count('release'), 1)
    world.link.refuse(world.link.last('release'), 'NOT_HELD')
    assert.equal(await outcome, 'lost')
  })

  it('does not believe in a lock while its release is on the way (fault 48)', async () => {
    const world = new World()
    const keeper = await world.connect()
    const lock = await lockOn(world, keeper, 'a', 7)
    const outcome = lock.release()
    assert.equal(lock.state, 'released')
    assert.throws(() => lock.assertHeld(), LockLostError)
    await world.clock.advance(9_000)
    assert.equal(await outcome, 'lost')
    assert.equal(lock.signal.aborted, false)
  })
})
