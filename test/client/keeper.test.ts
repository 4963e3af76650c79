import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KeeperClosedError, LockLostError, UnreachableError } from '../../src/client/errors.js'
import type { Keeper } from '../../src/client/keeper.js'
import type { PeerLink } from './peer.js'
import { World } from './peer.js'

/** Grants every acquire, releases every release, closes on demand. */
function serve(link: PeerLink): void {
  let token = 0
  const send = link.send.bind(link)
  link.send = (frame) => {
    send(frame)
    for (const request of frame.requests) {
      const kind = request.operation?.$case
      queueMicrotask(() => {
        if (kind === 'acquire') link.grant(request, ++token)
        if (kind === 'release') link.answer(request, { $case: 'released', value: {} })
        if (kind === 'close') link.answer(request, { $case: 'closed', value: {} })
      })
    }
  }
}

async function served(): Promise<[World, Keeper]> {
  const world = new World()
  const keeper = await world.connect()
  serve(world.link)
  return [world, keeper]
}

describe('a keeper', () => {
  it('runs work under a lock, and releases it', async () => {
    const [world, keeper] = await served()
    const result = keeper.withLock(
      'a',
      { label: 'test' },
      (lock) => `${lock.name} ${lock.token} ${lock.state}`,
    )
    await world.clock.turn()
    assert.equal(await result, 'a 1 held')
    assert.equal(world.link.count('release'), 1)
  })

  it('lets the error of the work through, and releases all the same', async () => {
    const [world, keeper] = await served()
    const failing = keeper.withLock('a', () => Promise.reject(new Error('the work failed')))
    await Promise.all([assert.rejects(failing, /the work failed/), world.clock.turn()])
    assert.equal(world.link.count('release'), 1)
  })

  it('does not call work a success when the lock was lost under it', async () => {
    const [world, keeper] = await served()
    const result = keeper.withLock('a', () => world.clock.freeze(9_000))
    await Promise.all([assert.rejects(result, LockLostError), world.clock.turn()])
  })

  it('releases a handle at the end of its block', async () => {
    const [world, keeper] = await served()
    const block = async () => {
      await using lock = await keeper.lock(['a', 'b'])
      assert.deepEqual(lock.names, ['a', 'b'])
    }
    await Promise.all([block(), world.clock.turn()])
    assert.equal(world.link.count('release'), 1)
  })

  it('tells handles that it is being closed under them, before the cluster hears of it', async () => {
    const [world, keeper] = await served()
    const locking = keeper.lock('a')
    await world.clock.turn()
    const lock = await locking
    const { signal } = lock
    const closing = keeper.close()
    assert.equal(world.link.count('close'), 0)
    assert.ok(signal.aborted)
    assert.equal(lock.state, 'released')
    await world.clock.turn()
    await closing
    assert.equal(world.link.count('close'), 1)
    assert.ok(world.connectorClosed)
    assert.equal(world.clock.planned, 0)
    await assert.rejects(keeper.lock('a'), KeeperClosedError)
  })

  it('rejects those who wait when it is closed, and closes even if nobody answers', async () => {
    const world = new World()
    const keeper = await world.connect()
    const waiting = keeper.lock('a')
    await world.clock.turn()
    const closing = keeper.close()
    await assert.rejects(waiting, KeeperClosedError)
    assert.equal(keeper.session.state, 'lost')
    await world.clock.advance(2_000)
    await closing
    assert.equal(keeper.close(), closing)
    assert.equal(world.clock.planned, 0)
  })

  it('hears that it is closed even if a renewal would have been due', async () => {
    const world = new World()
    const keeper = await world.connect()
    await world.clock.advance(2_500)
    const closing = keeper.close()
    await world.clock.advance(1_000)
    assert.equal(world.link.count('renew'), 0)
    world.link.answer(world.link.last('close'), { $case: 'closed', value: {} })
    await closing
  })

  it('does not call released what it closed and nobody confirmed (fault 48)', async () => {
    const [world, keeper] = await served()
    const locking = keeper.lock('a')
    await world.clock.turn()
    const lock = await locking
    world.link.send = () => undefined
    const closing = keeper.close()
    const releasing = lock.release()
    await world.clock.advance(2_000)
    await closing
    assert.equal(await releasing, 'lost')
    assert.equal(await lock.release(), 'lost')
  })

  it('repeats its closing to the next node', async () => {
    const world = new World()
    const keeper = await world.connect()
    const closing = keeper.close()
    await world.clock.turn()
    world.link.break()
    await world.clock.advance(50)
    world.link.welcome()
    await world.clock.turn()
    world.link.answer(world.link.last('close'), { $case: 'closed', value: {} })
    await closing
  })

  it('asks another node when one cannot answer a question', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked: string[] = []
    world.onCall = (address) => {
      asked.push(address)
      if (asked.length === 1) return Promise.reject(new UnreachableError('connection refused'))
      return Promise.resolve({ name: { name: 'a', holders: [], waiters: [], waiting: 0 } })
    }
    const [state] = await Promise.all([keeper.get('a'), world.clock.advance(100)])
    assert.deepEqual(state, { name: 'a', holders: [], waiters: [], waiting: 0 })
    assert.deepEqual(asked, ['n1:1', 'n2:1'])
  })

  it('lists page by page, each after the last name of the one before', async () => {
    const world = new World()
    const keeper = await world.connect()
    const pages = [['a', 'b'], ['c'], []]
    const afters: unknown[] = []
    world.onCall = (_address, _method, request) => {
      afters.push((request as { after: string }).after)
      const names = pages.shift()!.map((name) => ({ name, holders: [], waiters: [], waiting: 0 }))
      return Promise.resolve({ names, more: pages.length > 1 })
    }
    const names: string[] = []
    for await (const { name } of keeper.list('', { pageSize: 2 })) names.push(name)
    assert.deepEqual(names, ['a', 'b', 'c'])
    assert.deepEqual(afters, ['', 'b'])
  })

  it('uses no more slots than it has requests in flight', async () => {
    const [world, keeper] = await served()
    const worker = async (name: string) => {
      for (let i = 0; i < 50; i++) await (await keeper.lock(name)).release()
    }
    const workers = Promise.all(['a', 'b', 'c', 'd'].map(worker))
    for (let i = 0; i < 100; i++) await world.clock.turn()
    await workers
    assert.equal(Math.max(...world.link.requests.map(({ slot }) => slot)), 4)
    assert.equal(world.link.count('release'), 200)
  })
})
