import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Notice, Notice_Kind } from '../../src/protocol/lockkeeper.js'
import { World } from './peer.js'

function lost(token: number, note = 'by hand'): { readonly notices: Notice[] } {
  return { notices: [{ kind: Notice_Kind.LOST, token, note }] }
}

describe('what a client is told of what it holds', () => {
  it('a grant that is answered again, after the claim was taken by force, is no grant', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked = keeper.lock('a')
    await world.clock.turn()
    // It is granted, but the answer gets lost with the connection; meanwhile an operator takes it.
    world.link.break()
    await world.clock.advance(50)
    world.link.welcome()
    world.link.say(lost(7))
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    await assert.rejects(asked, { name: 'LockLostError', token: 7, note: 'by hand' })
    // What comes next is not mistaken for it.
    const next = keeper.lock('a')
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 8)
    assert.equal((await next).state, 'held')
  })

  it('an upgrade that was lost before it was known takes the shared lock along', async () => {
    const world = new World()
    const keeper = await world.connect()
    const reading = keeper.lock('a', { mode: 'shared' })
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    const reader = await reading
    const upgrading = reader.upgrade()
    await world.clock.turn()
    world.link.say(lost(9))
    world.link.grant(world.link.last('acquire'), 9)
    await assert.rejects(upgrading, { name: 'LockLostError', token: 9 })
    assert.equal(reader.state, 'released')
  })

  it('a loss that is told again with each welcome is told to nobody twice', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked = keeper.lock('a')
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    const lock = await asked
    const states: string[] = []
    lock.onStateChange((state) => states.push(state))
    world.link.say(lost(7))
    world.link.say(lost(7))
    assert.deepEqual(states, ['lost'])
    assert.equal(await lock.release(), 'lost')
    assert.equal(world.link.count('release'), 0)
  })

  it('while it is being handed over, nobody here leads; refused, it is held as before', async () => {
    const world = new World()
    const keeper = await world.connect()
    const campaign = keeper.election('a').campaign('me')
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    const leader = await campaign
    const handing = leader.handOver(99)
    await world.clock.turn()
    assert.equal(leader.isLeader, false)
    assert.throws(() => leader.assertHeld(), { name: 'LockLostError' })
    world.link.refuse(world.link.last('release'), 'INVALID')
    await assert.rejects(handing, { code: 'INVALID' })
    assert.ok(leader.isLeader)
    // It is told of everything again, a loss among it.
    world.link.say(lost(7))
    assert.equal(leader.isLeader, false)
  })

  it('a session that is lost while a lock is being handed over ends the handle for good', async () => {
    const world = new World()
    const keeper = await world.connect()
    const campaign = keeper.election('a').campaign('me')
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    const leader = await campaign
    const handing = leader.handOver(99)
    await world.clock.advance(20_000)
    assert.equal(await handing, 'lost')
    assert.equal(leader.isLeader, false)
    assert.equal(leader.signal.reason.name, 'LockLostError')
  })

  it('what is under way when the keeper is closed fails, but for what gives back', async () => {
    const world = new World()
    const keeper = await world.connect()
    const campaign = keeper.election('a').campaign('me')
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    const leader = await campaign
    const proclaiming = assert.rejects(leader.proclaim('new'), { name: 'KeeperClosedError' })
    const forcing = assert.rejects(keeper.forceRelease('b'), { name: 'KeeperClosedError' })
    const releasing = leader.release()
    await world.clock.turn()
    const closing = keeper.close()
    await Promise.all([proclaiming, forcing])
    await world.clock.turn()
    world.link.answer(world.link.last('close'), { $case: 'closed', value: {} })
    assert.equal(await releasing, 'released')
    await closing
  })
})
