import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LockTimeoutError } from '../../src/client/errors.js'
import type { PeerLink } from './peer.js'
import { World } from './peer.js'

function cancelled(link: PeerLink): void {
  link.answer(link.last('cancel'), { $case: 'cancelled', value: {} })
}

/** Which slot and seq the next acquire gets. */
async function nextNumbers(world: World, keeper: Awaited<ReturnType<World['connect']>>): Promise<number[]> {
  void keeper.lock('next')
  await world.clock.turn()
  const { slot, seq } = world.link.last('acquire')
  return [slot, seq]
}

describe('taking an acquire back (faults 45 to 48)', () => {
  it('rejects at once with the reason, and cancels under the same numbers', async () => {
    const world = new World()
    const keeper = await world.connect()
    const aborter = new AbortController()
    const promise = keeper.lock('a', { signal: aborter.signal })
    await world.clock.turn()
    aborter.abort(new Error('changed my mind'))
    await assert.rejects(promise, /changed my mind/)
    await world.clock.turn()
    const { slot, seq } = world.link.last('acquire')
    assert.deepEqual([world.link.last('cancel').slot, world.link.last('cancel').seq], [slot, seq])
  })

  it('keeps the slot until both are answered', async () => {
    const world = new World()
    const keeper = await world.connect()
    const aborter = new AbortController()
    const promise = keeper.lock('a', { signal: aborter.signal })
    await world.clock.turn()
    const asked = world.link.last('acquire')
    aborter.abort()
    await assert.rejects(promise)
    await world.clock.turn()
    world.link.refuse(asked, 'CANCELLED')
    assert.deepEqual(await nextNumbers(world, keeper), [2, 1])
    cancelled(world.link)
    assert.deepEqual(await nextNumbers(world, keeper), [1, 2])
  })

  it('hands out no grant that crossed it, and waits for the cancel to take it back', async () => {
    const world = new World()
    const keeper = await world.connect()
    const aborter = new AbortController()
    const promise = keeper.lock('a', { signal: aborter.signal })
    await world.clock.turn()
    aborter.abort()
    world.link.grant(world.link.last('acquire'), 5)
    world.link.grant(world.link.last('acquire'), 5) // and its copy
    await assert.rejects(promise)
    assert.deepEqual(await nextNumbers(world, keeper), [2, 1])
    cancelled(world.link)
    assert.deepEqual(await nextNumbers(world, keeper), [1, 2])
  })

  it('repeats the cancel, and what it takes back, when the stream broke before the answer', async () => {
    const world = new World()
    const keeper = await world.connect()
    const aborter = new AbortController()
    const promise = keeper.lock('a', { signal: aborter.signal })
    await world.clock.turn()
    aborter.abort()
    await assert.rejects(promise)
    world.link.break()
    await world.clock.advance(50)
    world.link.welcome()
    await world.clock.turn()
    assert.deepEqual(
      world.link.requests.map(({ slot, seq, operation }) => [slot, seq, operation?.$case]),
      [
        [1, 1, 'acquire'],
        [1, 1, 'cancel'],
      ],
    )
  })

  it('sends nothing at all for an acquire that never left', async () => {
    const world = new World()
    const keeper = await world.connect()
    world.link.break()
    const aborter = new AbortController()
    const promise = keeper.lock('a', { signal: aborter.signal })
    aborter.abort()
    await assert.rejects(promise)
    await world.clock.advance(50)
    world.link.welcome()
    await world.clock.turn()
    assert.deepEqual(world.link.requests, [])
  })

  it('gives up by its own clock when the cluster does not say that the wait is over', async () => {
    const world = new World()
    const keeper = await world.connect()
    const { link } = world
    const promise = keeper.lock('a', { waitMs: 100 })
    const longer = keeper.lock('b', { waitMs: 1_000 })
    await world.clock.turn()
    await Promise.all([assert.rejects(promise, LockTimeoutError), world.clock.advance(700)])
    assert.equal(link.count('cancel'), 1)
    await Promise.all([assert.rejects(longer, LockTimeoutError), world.clock.advance(1_000)])
    assert.equal(link.count('cancel'), 2)
  })

  it('turns the answer TIMEOUT into null for ifAvailable, and into an error otherwise', async () => {
    const world = new World()
    const keeper = await world.connect()
    const maybe = keeper.lock('a', { ifAvailable: true })
    const waiting = keeper.lock('b', { waitMs: 10 })
    await world.clock.turn()
    assert.deepEqual(
      world.link.requests.map(({ operation }) => operation?.$case === 'acquire' && operation.value.waitMs),
      [0, 10],
    )
    for (const request of world.link.requests) world.link.refuse(request, 'TIMEOUT')
    assert.equal(await maybe, null)
    await assert.rejects(waiting, LockTimeoutError)
  })
})
