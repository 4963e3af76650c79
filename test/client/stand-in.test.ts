import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { connectWith } from '../../src/client/connect.js'
import { RefusedError, UnreachableError } from '../../src/client/errors.js'
import { Lease } from '../../src/client/lease.js'
import { StandIn } from '../../src/client/stand-in.js'
import { led, TTL_MS, World } from './peer.js'

const MAX_STALL_MS = 30_000
const KEY = { id: 77, key: 5 }

/** A stand-in, the lease as the owner sees it, and who was asked when. The owner is this test, and renews nothing. */
function standIn(world: World, answer: (address: string) => Promise<unknown>) {
  const { clock } = world
  const sentMs = clock.nowMs()
  const lease = new Lease(sentMs, TTL_MS, undefined)
  const asked: string[] = []
  world.onCall = (address, method, request) => {
    assert.equal(method, 'keepAlive')
    assert.deepEqual(request, { session: KEY })
    asked.push(`${address} at ${clock.nowMs() - sentMs}`)
    return answer(address)
  }
  const addresses = ['n1:1', 'n2:1', 'n3:1']
  const { memory } = lease
  const duty = {
    session: KEY,
    addresses,
    sentMs,
    ttlMs: TTL_MS,
    lostMarginMs: undefined,
    memory,
    maxStallMs: MAX_STALL_MS,
  }
  const it = new StandIn(world, duty, () => asked.push('ready'))
  const sign = (topology = led(0)): void => it.heard({ turnedMs: clock.nowMs(), topology })
  return { clock, lease, asked, sign }
}

const renewed = () => Promise.resolve({ ttlMs: TTL_MS })

describe('a stand-in', () => {
  it('renews once to show that it can, and then does nothing for an owner that renews in time', async () => {
    const { clock, lease, asked, sign } = standIn(new World(), renewed)
    for (let third = 0; third < 30; third++) {
      await clock.advance(TTL_MS / 3)
      sign()
      lease.renewed(clock.nowMs(), clock.nowMs())
    }
    assert.deepEqual(asked, ['n1:1 at 0', 'ready'])
  })

  it('renews when the owner is late, and the owner’s lease is held without a turn of its event loop', async () => {
    const { clock, lease, asked } = standIn(new World(), renewed)
    for (let ms = 0; ms < MAX_STALL_MS; ms += 100) {
      await clock.advance(100)
      assert.equal(lease.standing(clock.nowMs()), 'held')
    }
    assert.deepEqual(asked.slice(0, 4), ['n1:1 at 0', 'ready', 'n2:1 at 3500', 'n3:1 at 7000'])
  })

  it('leaves the session of an owner that hangs to its TTL', async () => {
    const { clock, lease, asked } = standIn(new World(), renewed)
    await clock.advance(MAX_STALL_MS)
    const count = asked.length
    assert.equal(lease.standing(clock.nowMs()), 'held')
    await clock.advance(TTL_MS)
    assert.equal(lease.standing(clock.nowMs()), 'lost')
    assert.equal(asked.length, count)
  })

  it('goes on for an owner that wakes before the lease is over', async () => {
    const { clock, lease, sign } = standIn(new World(), renewed)
    await clock.advance(MAX_STALL_MS + TTL_MS / 2)
    sign()
    await clock.advance(MAX_STALL_MS)
    assert.equal(lease.standing(clock.nowMs()), 'held')
  })

  it('asks one node after the other, and takes the first yes, also from one that was passed over', async () => {
    const world = new World()
    let sayYes = (_: unknown): void => undefined
    const { clock, lease, asked } = standIn(world, (address) => {
      if (address === 'n2:1') return Promise.reject(new UnreachableError('connection refused'))
      return new Promise((resolve) => {
        if (address === 'n1:1') sayYes = resolve
      })
    })
    const sentMs = clock.nowMs()
    await clock.advance(1_200)
    assert.deepEqual(asked, ['n1:1 at 0', 'n2:1 at 500', 'n3:1 at 1000'])
    sayYes({ ttlMs: TTL_MS })
    await clock.advance(0)
    assert.equal(asked.at(-1), 'ready')

    await clock.advance(4_700 - 1_200)
    assert.deepEqual(asked.slice(4), ['n1:1 at 3500', 'n2:1 at 4000', 'n3:1 at 4500'])
    sayYes({ ttlMs: TTL_MS })
    await clock.advance(0)
    assert.equal(lease.deadlineMs, new Lease(sentMs + 3_500, TTL_MS, undefined).deadlineMs)
  })

  it('asks the leader first, at an address that the owner has told it of', async () => {
    const { clock, asked, sign } = standIn(new World(), renewed)
    const members = [{ id: 4, clientAddress: 'n4:1', peerAddress: '', connected: true }]
    sign({ leader: 4, members })
    await clock.advance(4_000)
    assert.equal(asked.at(-1), 'n4:1 at 3500')
  })

  it('asks no more when the cluster says that the session is over', async () => {
    const over = () => Promise.reject(new RefusedError('SESSION_EXPIRED', ''))
    const { clock, asked } = standIn(new World(), over)
    await clock.advance(TTL_MS)
    assert.equal(asked.length, 1)
    assert.equal(clock.planned, 0)
  })
})

describe('a session with a stand-in', () => {
  it('is held beyond its TTL by what the stand-in renews, and no longer once it is closed', async () => {
    const world = new World()
    let renewals = 0
    world.onCall = () => {
      renewals++
      return renewed()
    }
    const keeper = await world.connect({ maxStallMs: MAX_STALL_MS })
    await world.clock.advance(TTL_MS * 2)
    assert.equal(keeper.session.state, 'held')
    assert.ok(renewals > 0)
    const closing = keeper.close()
    renewals = 0
    await world.clock.advance(TTL_MS)
    await closing
    assert.equal(renewals, 0)
    assert.equal(world.clock.planned, 0)
  })

  it('is not connected before its stand-in has shown that it can renew, and not for ever', async () => {
    const world = new World()
    world.onCall = () => new Promise(() => undefined)
    world.onDial = (link) => link.welcome()
    const options = { ttlMs: TTL_MS, maxStallMs: MAX_STALL_MS, connectTimeoutMs: 2_000 }
    const connecting = connectWith(world.ports, 'n1:1', options)
    const outcome = assert.rejects(connecting, { code: 'NOT_CONNECTED', message: /stand-in/ })
    await world.clock.advance(1_999)
    assert.equal(world.link.count('close'), 0)
    await world.clock.advance(1)
    assert.equal(world.link.count('close'), 1)
    world.link.answer(world.link.last('close'), { $case: 'closed', value: {} })
    await outcome
  })

  it('is refused a stall shorter than its TTL, which it would survive anyway', async () => {
    const world = new World()
    const connecting = connectWith(world.ports, 'n1:1', { ttlMs: TTL_MS, maxStallMs: TTL_MS - 1 })
    await assert.rejects(connecting, { code: 'INVALID' })
  })
})
