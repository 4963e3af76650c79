import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { connectWith } from '../../src/client/connect.js'
import { ConnectError, RefusedError, UnreachableError } from '../../src/client/errors.js'
import { led, World } from './peer.js'

const refuse = () => new UnreachableError('connection refused')

describe('connecting', () => {
  it('ends with an error that says what was tried, after a bounded number of attempts (fault 52)', async () => {
    const world = new World()
    world.onDial = (link) => link.break(refuse())
    const connecting = connectWith(world.ports, 'n1:1, n2:1', { connectTimeoutMs: 5_000 })
    const ended = assert.rejects(connecting, (error: unknown) => {
      assert.ok(error instanceof ConnectError)
      assert.deepEqual(
        error.tried.map(({ address, problem }) => [address, problem]),
        [
          ['n1:1', 'connection refused'],
          ['n2:1', 'connection refused'],
        ],
      )
      assert.match(error.message, /within 5000 ms; tried: n1:1 \(\d times: connection refused\), n2:1 /)
      return true
    })
    await world.clock.advance(5_000)
    await ended
    assert.ok(world.links.length > 4 && world.links.length < 20, `${world.links.length} attempts`)
    assert.equal(world.clock.planned, 0)
    assert.ok(world.connectorClosed)
  })

  for (const address of ['nonsense', 'http://n1:1', 'n1:1, n2', '']) {
    it(`refuses ${JSON.stringify(address)} before anybody is asked`, async () => {
      const world = new World()
      await assert.rejects(connectWith(world.ports, address, {}), { name: 'RefusedError', code: 'INVALID' })
      assert.deepEqual(world.dialled, [])
    })
  }

  it('passes over a node that takes the stream and says nothing', async () => {
    const world = new World()
    const connecting = connectWith(world.ports, 'n1:1,n2:1', { ttlMs: 9_000 })
    await world.clock.advance(2_100)
    assert.deepEqual(world.dialled, ['n1:1', 'n2:1'])
    assert.ok(world.links[0]?.closed)
    world.link.welcome(led(2))
    assert.equal((await connecting).session.state, 'held')
  })

  it('repeats the hello with the same key, and counts the TTL from the first (P6)', async () => {
    const world = new World()
    const connecting = connectWith(world.ports, 'n1:1,n2:1', { ttlMs: 9_000 })
    await world.clock.advance(1_800)
    world.links[0]?.break()
    await world.clock.advance(200)
    assert.deepEqual(world.link.hello.session, world.links[0]?.hello.session)
    assert.equal(world.link.hello.session?.id, 0)
    world.link.welcome(led(2))
    assert.equal((await connecting).session.expiresInMs, 9_000 - 450 - 2_000)
  })

  it('takes a new key when what the old one opened may be nearly over', async () => {
    const world = new World()
    const connecting = connectWith(world.ports, 'n1:1,n2:1', { ttlMs: 1_000 })
    await world.clock.advance(900)
    const keys = world.links.map(({ hello }) => hello.session?.key)
    assert.ok(keys.length >= 4)
    assert.equal(keys[1], keys[0])
    assert.notEqual(keys.at(-1), keys[0])
    world.link.welcome(led(world.link.nodeId), 1_000)
    assert.equal((await connecting).session.state, 'held')
  })

  it('drops a welcome that took longer than the session lives', async () => {
    const world = new World()
    const connecting = connectWith(world.ports, 'n1:1', { ttlMs: 9_000 })
    await world.clock.turn()
    world.clock.freeze(8_900)
    world.link.welcome()
    world.onDial = (link) => link.welcome()
    await Promise.all([assert.rejects(connecting, ConnectError), world.clock.advance(100)])
  })

  it('stops at a refusal that another attempt would not mend', async () => {
    const world = new World()
    world.onDial = (link) => link.refuseHello('LIMIT')
    const connecting = connectWith(world.ports, 'n1:1,n2:1')
    await Promise.all([assert.rejects(connecting, RefusedError), world.clock.turn()])
    assert.equal(world.links.length, 1)
  })

  it('goes on after a refusal that is only for now', async () => {
    const world = new World()
    world.onDial = (link) => (link.nodeId === 1 ? link.refuseHello('STOPPING') : link.welcome())
    const connecting = connectWith(world.ports, 'n1:1,n2:1')
    await world.clock.advance(100)
    assert.equal((await connecting).session.nodeId, 2)
  })

  it('is given up by a signal, and leaves nothing behind', async () => {
    const world = new World()
    const aborter = new AbortController()
    const connecting = connectWith(world.ports, 'n1:1', { signal: aborter.signal })
    await world.clock.turn()
    aborter.abort(new Error('enough'))
    await assert.rejects(connecting, /enough/)
    assert.ok(world.link.closed)
    assert.equal(world.clock.planned, 0)
  })

  it('learns the other nodes from the first', async () => {
    const world = new World()
    await world.connect({}, 'n1:1')
    world.onDial = (link) => link.break(refuse())
    world.link.break()
    await world.clock.advance(500)
    assert.deepEqual(new Set(world.dialled), new Set(['n1:1', 'n2:1', 'n3:1']))
  })

  it('does not hammer a node that welcomes and then breaks the stream', async () => {
    const world = new World()
    await world.connect()
    world.onDial = (link) => {
      link.welcome()
      link.break()
    }
    world.link.break()
    await world.clock.advance(5_000)
    assert.ok(world.links.length < 20, `${world.links.length} streams in five seconds`)
  })
})
