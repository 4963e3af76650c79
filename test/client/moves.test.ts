import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { led, type PeerLink, World } from './peer.js'

describe('preferring the leader (fault 52)', () => {
  it('moves once when another node leads, without interrupting what is in flight', async () => {
    const world = new World()
    const keeper = await world.connect()
    const promise = keeper.lock('a')
    await world.clock.turn()
    const [old] = world.links
    old?.say({ topology: led(2) })
    await world.clock.advance(100)
    assert.deepEqual(world.dialled, ['n1:1', 'n2:1'])
    assert.equal(old?.closed, false)
    world.link.welcome(led(2))
    await world.clock.turn()
    assert.equal(old?.closed, true)
    assert.equal(keeper.session.nodeId, 2)
    const again = world.link.last('acquire')
    assert.deepEqual([again.slot, again.seq], [1, 1])
    world.link.grant(again, 5)
    assert.equal((await promise).token, 5)
    world.link.say({ topology: led(2) })
    await world.clock.advance(2_900)
    assert.equal(world.links.length, 2)
  })

  it('keeps serving from the old node when the leader cannot be reached, and does not try it again', async () => {
    const world = new World()
    const keeper = await world.connect()
    const [old] = world.links
    old?.say({ topology: led(2) })
    await world.clock.advance(100)
    world.link.break()
    old?.say({ topology: led(2) })
    await world.clock.advance(2_000)
    old?.say({ topology: led(2) })
    await world.clock.advance(500)
    assert.deepEqual(world.dialled, ['n1:1', 'n2:1'])
    assert.equal(old?.closed, false)
    old?.say({ topology: led(3) })
    await world.clock.advance(100)
    assert.deepEqual(world.dialled, ['n1:1', 'n2:1', 'n3:1'])
    assert.equal(keeper.session.state, 'held')
  })

  it('slows down when two nodes each point at the other', async () => {
    const world = new World()
    await world.connect()
    world.onDial = (link) => link.welcome(led(3 - link.nodeId))
    world.links[0]?.say({ topology: led(2) })
    await world.clock.advance(9_000)
    assert.ok(world.links.length <= 9, `${world.links.length} streams in nine seconds`)
    assert.ok(world.links.filter(({ closed }) => !closed).length === 1)
  })

  it('looks elsewhere when its node knows no leader for a second', async () => {
    const world = new World()
    await world.connect()
    const [old] = world.links
    old?.say({ topology: led(0) })
    await world.clock.advance(900)
    assert.equal(world.links.length, 1)
    await world.clock.advance(200)
    assert.equal(world.links.length, 2)
    assert.equal(old?.closed, false)
    world.link.welcome(led(2))
    assert.equal(old?.closed, true)
  })

  it('stays when its node has found a leader within that second', async () => {
    const world = new World()
    await world.connect()
    world.link.say({ topology: led(0) })
    await world.clock.advance(900)
    world.link.say({ topology: led(1) })
    await world.clock.advance(2_000)
    assert.equal(world.links.length, 1)
  })

  it('asks another node when a renewal stays unanswered, and counts its welcome as a renewal', async () => {
    const world = new World()
    const keeper = await world.connect()
    await world.clock.advance(4_000)
    assert.equal(world.links.length, 2)
    const sentMs = world.clock.nowMs()
    world.link.welcome(led(2))
    assert.equal(keeper.session.expiresInMs, sentMs + 9_000 - 450 - world.clock.nowMs() - 500)
  })

  it('asks for a sign of life when a request stays unanswered, and another node when there is none', async () => {
    const world = new World()
    const keeper = await world.connect()
    const [old] = world.links
    const promise = keeper.lock('a')
    await world.clock.advance(240)
    assert.equal(old?.count('renew'), 0)
    await world.clock.advance(20)
    assert.equal(old?.count('renew'), 1)
    await world.clock.advance(500)
    assert.deepEqual(world.dialled, ['n1:1', 'n2:1'])
    assert.equal(old?.closed, false)
    world.link.welcome(led(2))
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 5)
    assert.equal((await promise).token, 5)
    await world.clock.advance(2_000)
    assert.equal(world.link.count('renew'), 0)
  })

  it('stays with a node that gives signs of life, and asks for them ever more rarely', async () => {
    const world = new World()
    const keeper = await world.connect()
    void keeper.lock('a')
    const askedMs: number[] = []
    for (let passedMs = 10; passedMs <= 9_000; passedMs += 10) {
      await world.clock.advance(10)
      if (world.link.count('renew') === askedMs.length) continue
      askedMs.push(passedMs)
      world.link.renewed()
    }
    assert.deepEqual(world.dialled, ['n1:1'])
    assert.deepEqual(askedMs, [250, 750, 1_750, 3_750, 6_750])
  })

  it('does not ask a node that answers, however much it is asked', async () => {
    const world = new World()
    const keeper = await world.connect()
    for (let k = 1; k <= 14; k++) {
      const promise = keeper.lock('a')
      void keeper.lock('waits')
      await world.clock.advance(200)
      const asked = world.link.requests.filter(
        ({ operation }) => operation?.$case === 'acquire' && operation.value.names[0] === 'a',
      )
      world.link.grant(asked.at(-1)!, k)
      await promise
    }
    assert.equal(world.link.count('renew'), 0)
  })

  it('notices silence as soon when a request has long been waiting, rightly without an answer', async () => {
    const world = new World()
    const keeper = await world.connect()
    const { link } = world
    void keeper.lock('waits')
    for (const askedMs of [250, 500, 1_000]) {
      await world.clock.advance(askedMs)
      link.renewed()
    }
    assert.equal(link.count('renew'), 3)
    void keeper.lock('a')
    await world.clock.advance(240)
    link.grant(link.last('acquire'), 5)
    await world.clock.advance(240)
    assert.equal(link.count('renew'), 3)
    await world.clock.advance(20)
    assert.equal(link.count('renew'), 4, 'since its last answer')
    link.renewed()
    await world.clock.advance(100)
    void keeper.lock('b')
    await world.clock.advance(260)
    assert.equal(link.count('renew'), 5, 'since it was last asked')
  })

  it('stays when its node turns out to be slow and not silent, so that nothing is asked twice', async () => {
    const world = new World()
    const keeper = await world.connect()
    const [old] = world.links
    const promise = keeper.lock('a')
    await world.clock.advance(900)
    assert.deepEqual(world.dialled, ['n1:1', 'n2:1'])
    old?.renewed()
    assert.equal(world.link.closed, true)
    world.link.welcome(led(1))
    old?.grant(old.last('acquire'), 5)
    assert.equal((await promise).token, 5)
    assert.equal(keeper.session.nodeId, 1)
  })

  it('goes to the leader it was told of when its own node dies', async () => {
    const world = new World()
    await world.connect()
    world.link.welcome()
    world.link.say({ topology: led(3) })
    world.link.break()
    await world.clock.advance(50)
    assert.equal(world.link.address, 'n3:1')
  })

  it('believes nothing that a node says before its welcome', async () => {
    const world = new World()
    const keeper = await world.connect()
    const promise = keeper.lock('a')
    await world.clock.turn()
    const [old] = world.links
    old?.say({ topology: led(2) })
    await world.clock.advance(100)
    world.link.grant(old!.last('acquire'), 66)
    old?.grant(old.last('acquire'), 5)
    assert.equal((await promise).token, 5)
  })

  it('leaves a node that is stopping, with what it would not do any more', async () => {
    const world = new World()
    const keeper = await world.connect()
    const promise = keeper.lock('a')
    await world.clock.turn()
    world.link.refuse(world.link.last('acquire'), 'STOPPING')
    assert.equal(world.link.address, 'n2:1')
    world.link.welcome(led(2))
    await world.clock.turn()
    assert.equal(world.links[0]?.closed, true)
    world.link.grant(world.link.last('acquire'), 5)
    assert.equal((await promise).token, 5)
  })

  it('does not wander about while all nodes are busy, and asks none for a sign of life that it has given', async () => {
    const world = new World()
    const keeper = await world.connect()
    world.onDial = (link) => link.welcome(led(1))
    void keeper.lock('a')
    const refused = new Map<PeerLink, number>()
    for (let passedMs = 0; passedMs < 60_000; passedMs += 10) {
      await world.clock.advance(10)
      const { link } = world
      const asked = link.count('acquire')
      if (asked > (refused.get(link) ?? 0)) link.refuse(link.last('acquire'), 'BUSY')
      refused.set(link, asked)
      if (link.count('renew') > 0) link.renewed()
    }
    const renewals = world.links.reduce((sum, link) => sum + link.count('renew'), 0)
    const asked = world.links.reduce((sum, link) => sum + link.count('acquire'), 0)
    assert.ok(world.links.length <= 25, `${world.links.length} streams in a minute`)
    assert.ok(renewals <= 25, `${renewals} renewals in a minute`)
    assert.ok(asked >= 60, `asked ${asked} times in a minute`)
    const before = world.link.count('renew')
    await world.clock.advance(800)
    assert.equal(world.link.count('renew'), before + 1, 'one that falls silent then is asked')
  })
})
