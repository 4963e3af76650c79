import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RefusedError } from '../../src/client/errors.js'
import { SESSION, World } from './peer.js'

describe('requests (P5, fault 46)', () => {
  it('of one turn travel in one frame', async () => {
    const world = new World()
    const keeper = await world.connect()
    for (const name of ['a', 'b', 'c']) void keeper.lock(name)
    await world.clock.turn()
    assert.equal(world.link.frames.length, 2)
    assert.equal(world.link.frames[1]?.requests.length, 3)
  })

  it('are split into frames that a server takes', async () => {
    const world = new World()
    const keeper = await world.connect()
    const name = 'x'.repeat(14_000)
    for (let i = 0; i < 5; i++) void keeper.lock(name)
    await world.clock.turn()
    assert.deepEqual(
      world.link.frames.map(({ requests }) => requests.length),
      [0, 3, 2],
    )
    await assert.rejects(keeper.lock('x'.repeat(2_000_000)), { code: 'LIMIT' })
  })

  it('are repeated with the same numbers, in the same order, to the next node', async () => {
    const world = new World()
    const keeper = await world.connect()
    const first = keeper.lock('a')
    const second = keeper.lock('b')
    const third = keeper.lock('c')
    await world.clock.turn()
    const [before] = world.links
    before?.grant(before.requests[1]!, 5)
    const lock = await second
    before?.break()
    const release = lock.release()
    await world.clock.advance(50)
    assert.equal(world.link.address, 'n2:1')
    assert.deepEqual(world.link.hello.session, { id: SESSION, key: before?.hello.session?.key })
    assert.equal(world.link.hello.clusterId, 'c')
    world.link.welcome()
    await world.clock.turn()
    assert.deepEqual(
      world.link.requests.map(({ slot, seq, operation }) => [slot, seq, operation?.$case]),
      [
        [1, 1, 'acquire'],
        [3, 1, 'acquire'],
        [2, 2, 'release'],
      ],
    )
    const [a, c, b] = world.link.requests
    world.link.grant(a!, 6)
    world.link.grant(c!, 7)
    world.link.answer(b!, { $case: 'released', value: {} })
    assert.deepEqual([(await first).token, (await third).token, await release], [6, 7, 'released'])
  })

  it('are answered once: a second answer to the same numbers changes nothing', async () => {
    const world = new World()
    const keeper = await world.connect()
    const promise = keeper.lock('a')
    await world.clock.turn()
    const asked = world.link.last('acquire')
    world.link.grant(asked, 5)
    const lock = await promise
    const next = keeper.lock('b')
    await world.clock.turn()
    world.link.grant(asked, 5) // late copy, same slot as the request for b
    world.link.grant(world.link.last('acquire'), 6)
    assert.deepEqual([lock.token, (await next).token], [5, 6])
    assert.deepEqual([world.link.last('acquire').slot, world.link.last('acquire').seq], [1, 2])
  })

  it('wait for a leader with pauses, and keep their numbers', async () => {
    const world = new World()
    const keeper = await world.connect({}, 'n1:1')
    const promise = keeper.lock('a')
    await world.clock.turn()
    const [link] = world.links
    for (let i = 0; i < 5; i++) {
      link?.refuse(link.last('acquire'), 'NO_LEADER')
      await world.clock.advance(1_000)
    }
    assert.equal(link?.count('acquire'), 6)
    assert.ok(link?.requests.filter(({ slot }) => slot === 1).every(({ seq }) => seq === 1))
    link?.grant(link.last('acquire'), 5)
    assert.equal((await promise).token, 5)
  })

  it('that make no sense are refused before they are sent', async () => {
    const world = new World()
    const keeper = await world.connect()
    await assert.rejects(keeper.lock('a', { waitMs: Number.NaN }), { code: 'INVALID' })
    await assert.rejects(keeper.lock('a', { waitMs: -1 }), { code: 'INVALID' })
    await world.clock.turn()
    assert.equal(world.link.count('acquire'), 0)
  })

  it('are not sent for ever to nodes that end the stream: in the end they fail, and say what was tried', async () => {
    const world = new World()
    const keeper = await world.connect()
    const promise = keeper.lock('a')
    let streams = 0
    let outcome: unknown
    promise.catch((error: unknown) => {
      outcome = error
    })
    while (outcome === undefined && streams < 50) {
      await world.clock.turn()
      world.link.break(new RefusedError('BUSY', 'too much at once'))
      streams++
      await world.clock.advance(600)
      if (outcome === undefined) world.link.welcome()
    }
    assert.ok(outcome instanceof RefusedError && outcome.code === 'BUSY')
    assert.equal(streams, 10)
    assert.match(outcome.message, /10 streams in a row .* n1:1 \(\d times: too much at once\), n2:1/)
  })
})
