import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Keeper, LeaderSeen } from '../../src/client/index.js'
import { crowd, Served, until, waiting } from './served.js'

describe('an election', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  let eve: Keeper
  before(async () => {
    ann = await served.connect({ label: 'ann' })
    bob = await served.connect({ label: 'bob' })
    eve = await served.connect()
  })

  it('has one leader at a time, whose value all can see, and the next follows in order', async () => {
    const first = await ann.election('shard').campaign('ann:1')
    assert.ok(first.isLeader)
    const campaign = bob.election('shard').campaign('bob:1')
    await waiting(eve, 'shard', 1)
    const seen = await eve.election('shard').leader()
    assert.deepEqual([seen?.value, seen?.token, seen?.label], ['ann:1', first.token, 'ann'])
    assert.deepEqual(
      (await eve.election('shard').candidates()).map(({ value }) => value),
      ['bob:1'],
    )
    assert.equal(await first.resign(), 'released')
    assert.equal(first.isLeader, false)
    const second = await campaign
    assert.ok(second.isLeader && second.token > first.token)
    await second.resign()
    assert.equal(await eve.election('shard').leader(), undefined)
  })

  it('is observed: nobody, then every leader and every value, in order', async () => {
    const election = ann.election('observed')
    const seen: string[] = []
    const stop = eve.election('observed').onLeader({
      onNext: ({ leader, gap }) => seen.push(`${leader?.value ?? '-'}${gap ? ' gap' : ''}`),
      onError: (error) => seen.push(String(error)),
    })
    await until(() => seen.length === 1)
    const first = await election.campaign('a')
    await first.proclaim('a2')
    const campaign = bob.election('observed').campaign('b')
    await waiting(ann, 'observed', 1)
    await first.resign()
    const second = await campaign
    await second.resign()
    await until(() => seen.length === 6)
    stop()
    assert.deepEqual(seen, ['-', 'a', 'a2', '-', 'b', '-'])
  })

  it('tells who begins to observe later who leads now, and who goes on what came since', async () => {
    const leadership = await ann.election('resumed').campaign('a')
    let last: LeaderSeen | undefined
    for await (const seen of eve.election('resumed').observe()) {
      last = seen
      break
    }
    assert.deepEqual([last?.leader?.value, last?.leader?.token], ['a', leadership.token])
    await leadership.proclaim('a2')
    await leadership.resign()
    const since: (string | undefined)[] = []
    for await (const { leader, gap } of eve.election('resumed').observe({ afterRevision: last!.revision })) {
      assert.equal(gap, false)
      since.push(leader?.value)
      if (since.length === 2) break
    }
    assert.deepEqual(since, ['a2', undefined])
  })

  it('can be handed over to whom the leader chooses', async () => {
    const leader = await ann.election('chosen').campaign('a')
    const second = bob.election('chosen').campaign('b')
    await waiting(ann, 'chosen', 1)
    const third = eve.election('chosen').campaign('c')
    await waiting(ann, 'chosen', 2)
    const candidates = await ann.election('chosen').candidates()
    assert.deepEqual(
      candidates.map(({ value }) => value),
      ['b', 'c'],
    )
    assert.equal(await leader.handOver(candidates[1]!), 'released')
    const chosen = await third
    assert.ok(chosen.isLeader && !leader.isLeader)
    await chosen.resign()
    await (await second).resign()
  })

  it('goes on under the same leader if it is handed over to nobody', async () => {
    await using leader = await ann.election('nobody').campaign('a')
    const states: string[] = []
    leader.onStateChange((state) => states.push(state))
    await assert.rejects(leader.handOver(123_456_789), { name: 'RefusedError', code: 'INVALID' })
    assert.ok(leader.isLeader)
    leader.assertHeld()
    assert.deepEqual(states, [])
    assert.deepEqual(await crowd(eve, 'nobody'), [1, 0, 0])
    await leader.proclaim('still a')
    assert.equal((await eve.election('nobody').leader())?.value, 'still a')
  })

  it('is not led by who lost it, who is told', async () => {
    const leader = await ann.election('lost').campaign('a')
    await eve.forceRelease('lost', { note: 'maintenance' })
    await until(() => !leader.isLeader)
    assert.equal(leader.signal.reason.note, 'maintenance')
    await assert.rejects(leader.proclaim('b'), { name: 'LockLostError' })
  })

  it('has no candidate that gave up', async () => {
    await using _leader = await ann.election('given up').campaign('a')
    assert.equal(await bob.election('given up').campaign('b', { ifAvailable: true }), null)
    await assert.rejects(bob.election('given up').campaign('b', { waitMs: 20 }), { code: 'TIMEOUT' })
    const leave = new AbortController()
    const campaign = bob.election('given up').campaign('b', { signal: leave.signal })
    await waiting(eve, 'given up', 1)
    leave.abort()
    await assert.rejects(campaign, { name: 'AbortError' })
    await until(async () => (await eve.election('given up').candidates()).length === 0)
  })

  it('makes no sense of nonsense', async () => {
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    await assert.rejects(ann.election('x').campaign(7 as unknown as string), invalid)
    await assert.rejects(ann.election('').campaign('a'), invalid)
    await assert.rejects(ann.election('').observe().next(), invalid)
    await assert.rejects(ann.election('x').observe({ afterRevision: 1e12 }).next(), invalid)
    await using leader = await ann.election('x').campaign('a')
    await assert.rejects(leader.proclaim('x'.repeat(20_000)), { code: 'LIMIT' })
    assert.equal((await eve.election('x').leader())?.value, 'a')
  })
})
