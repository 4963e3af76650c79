import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RefusedError, UnreachableError } from '../../src/client/errors.js'
import type { LeaderSeen } from '../../src/client/index.js'
import {
  Change_Kind,
  type Claim,
  NameState,
  type WatchPart,
  type WatchRequest,
} from '../../src/protocol/lockkeeper.js'
import { World } from './peer.js'

const claimOf = (token: number, data: string): Claim => ({
  ...{ id: token, session: 1, sessionLabel: '', label: '', mode: 'exclusive', token, names: ['e'], data },
  ...{ sinceMs: 0, ttlLeftMs: 0, permits: 0, capacity: 0, seats: [], owner: '', priority: 0, holds: 1 },
})

function state(revision: number, ...holders: Claim[]): WatchPart {
  const state = {
    ...NameState.decode(new Uint8Array(0)),
    name: 'e',
    holders,
    holding: holders.length,
    revision,
  }
  return { state, changes: [], revision }
}

function changes(
  revision: number,
  ...told: [revision: number, kind: Change_Kind, claim: Claim][]
): WatchPart {
  const all = told.map(([revision, kind, claim]) => ({ revision, kind, claim, reason: '' }))
  return { state: undefined, changes: all, revision }
}

const { GRANTED, LEFT, QUEUED, UPDATED } = Change_Kind

/** A world whose nodes say these parts, one list to a stream, and then break off; after the last they are silent. */
function saying(
  world: World,
  ...streams: WatchPart[][]
): { readonly address: string; readonly request: WatchRequest }[] {
  const asked: { readonly address: string; readonly request: WatchRequest }[] = []
  world.onWatch = async function* (address, request, signal) {
    asked.push({ address, request })
    yield* streams.shift() ?? []
    if (streams.length > 0) throw new UnreachableError('connection reset')
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  return asked
}

/** So many items, while time passes for retries. */
async function take<T>(world: World, items: AsyncGenerator<T, void, undefined>, count: number): Promise<T[]> {
  const taken: T[] = []
  const taking = (async () => {
    while (taken.length < count) {
      const { value, done } = await items.next()
      if (done) break
      taken.push(value)
    }
  })()
  for (let k = 0; k < 50 && taken.length < count; k++) await world.clock.advance(20)
  await taking
  return taken
}

const words = ({ leader, gap }: LeaderSeen): string => `${leader?.value ?? '-'}${gap ? ' after a gap' : ''}`

describe('watching', () => {
  it('goes on at another node, after what it has seen, and misses and repeats nothing', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked = saying(
      world,
      [state(10, claimOf(5, 'a')), changes(12, [12, LEFT, claimOf(5, 'a')])],
      [changes(20, [15, QUEUED, claimOf(0, 'b')], [15, GRANTED, claimOf(6, 'b')])],
      [changes(30, [25, LEFT, claimOf(6, 'b')])],
    )
    const seen = await take(world, keeper.election('e').observe(), 4)
    assert.deepEqual(seen.map(words), ['a', '-', 'b', '-'])
    assert.deepEqual(
      asked.map(({ request }) => request.afterRevision),
      [undefined, 12, 20],
    )
    assert.equal(new Set(asked.slice(0, 2).map(({ address }) => address)).size, 2)
  })

  it('goes on after what another program has seen, be it the end of a leader', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked = saying(world, [changes(12, [12, LEFT, claimOf(5, 'a')])])
    const seen = await take(world, keeper.election('e').observe({ afterRevision: 11 }), 1)
    assert.deepEqual(seen.map(words), ['-'])
    assert.equal(asked[0]?.request.afterRevision, 11)
  })

  it('says so when changes may have been missed, and goes on from the state', async () => {
    const world = new World()
    const keeper = await world.connect()
    saying(
      world,
      [state(10, claimOf(5, 'a'))],
      [state(900, claimOf(80, 'z')), changes(901, [901, LEFT, claimOf(80, 'z')])],
    )
    const seen = await take(world, keeper.election('e').observe(), 3)
    assert.deepEqual(seen.map(words), ['a', 'z after a gap', '-'])
  })

  it('takes the end of a leader that is none any more for no change', async () => {
    const world = new World()
    const keeper = await world.connect()
    const told = changes(12, [11, LEFT, claimOf(5, 'a')], [12, UPDATED, claimOf(6, 'b2')])
    saying(world, [state(10, claimOf(6, 'b')), told])
    const seen = await take(world, keeper.election('e').observe(), 2)
    assert.deepEqual(seen.map(words), ['b', 'b2'])
  })

  it('begins before a barrier is entered, so that nobody can come and go unseen', async () => {
    const world = new World()
    const keeper = await world.connect()
    const memberOf = (token: number): Claim => ({ ...claimOf(token, ''), mode: 'member' })
    world.onWatch = async function* () {
      const { link } = world
      const hasEntered = link.count('acquire') > 0
      // The other is there for a moment only, right after we entered.
      yield hasEntered ? { ...state(13), state: { ...state(13).state!, joined: 1 } } : state(10)
      if (!hasEntered)
        yield changes(13, [11, GRANTED, memberOf(6)], [12, GRANTED, memberOf(7)], [13, LEFT, memberOf(7)])
      await new Promise(() => undefined)
    }
    const entering = keeper.barrier('e', 2).enter('', { waitMs: 2_000 })
    entering.catch(() => undefined)
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 6)
    await world.clock.advance(3_000)
    assert.equal((await entering).token, 6)
  })

  it('does not pass a barrier that it may have missed, nor wait for ever', async () => {
    const world = new World()
    const keeper = await world.connect()
    saying(world, [state(10)], [state(900)])
    const waits = assert.rejects(keeper.countDown('e', 2).wait(), { name: 'RefusedError', code: 'CONFLICT' })
    await world.clock.advance(500)
    await waits
  })

  it('ends with what was tried when no node answers for long', async () => {
    const world = new World()
    const keeper = await world.connect()
    const seen = keeper.watch('e').next()
    const fails = assert.rejects(seen, { name: 'ConnectError', message: /n1:1 .*connection refused/ })
    await world.clock.advance(6_000)
    await fails
  })

  it('ends with what was tried when it has no session, and all nodes that it knows are silent, as if removed', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked = saying(world, [])
    world.link.break()
    const fails = assert.rejects(keeper.watch('e').next(), {
      name: 'ConnectError',
      message: /did not answer/,
    })
    await world.clock.advance(20_000)
    await fails
    assert(asked.length >= 2, 'more than one was asked')
  })

  it('stays with a quiet name, when it has no session, for as long as nodes answer', async () => {
    const world = new World()
    const keeper = await world.connect()
    const quiet = Array.from({ length: 20 }, () => [changes(10)])
    const asked: string[] = []
    world.onWatch = async function* (address, _, signal) {
      asked.push(address)
      yield* quiet.shift() ?? [changes(12, [12, LEFT, claimOf(5, 'a')])]
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    world.link.break()
    const next = keeper.watch('e', { afterRevision: 10 }).next()
    await world.clock.advance(110_000)
    assert.equal((await next).value?.revision, 12)
    assert.equal(asked.length, 21)
  })

  it('ends with a refusal that is final', async () => {
    const world = new World()
    const keeper = await world.connect()
    world.onWatch = () => {
      throw new RefusedError('INVALID', 'a name must not be empty')
    }
    await assert.rejects(keeper.watch('').next(), { code: 'INVALID' })
  })

  it('ends with its signal, and with its keeper', async () => {
    const world = new World()
    const keeper = await world.connect()
    saying(world, [state(10)])
    const leave = new AbortController()
    const left = keeper.watch('e', { signal: leave.signal })
    assert.equal((await left.next()).value?.kind, 'state')
    const next = left.next()
    await world.clock.turn()
    leave.abort(new Error('enough'))
    await assert.rejects(next, /enough/)
    saying(world, [state(10)])
    const closed = keeper.watch('e')
    assert.equal((await closed.next()).value?.kind, 'state')
    const rejected = assert.rejects(closed.next(), { name: 'KeeperClosedError' })
    await world.clock.turn()
    const closing = keeper.close()
    await world.clock.advance(2_000)
    await Promise.all([rejected, closing])
    assert.equal(world.clock.planned, 0)
  })

  it('follows the session to another node when its own has been silent', async () => {
    const world = new World()
    const keeper = await world.connect()
    const asked = saying(world, [state(10, claimOf(5, 'a'))])
    const observed = keeper.election('e').observe()
    await take(world, observed, 1)
    const next = observed.next()
    // The node of the session fails; the stream of the watch says nothing, as a node that is cut off.
    world.onDial = (link) => link.welcome()
    world.link.break()
    await world.clock.advance(100)
    assert.notEqual(keeper.session.address, asked[0]!.address)
    saying(world, [changes(12, [12, LEFT, claimOf(5, 'a')])])
    await world.clock.advance(6_000)
    assert.equal((await next).value?.leader, undefined)
  })
})
