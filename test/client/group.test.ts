import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Keeper, MembersSeen } from '../../src/client/index.js'
import { crowd, Served, until } from './served.js'

function inWords(seen: MembersSeen): string {
  if (seen.kind === 'members') return `members ${seen.members.map(({ data }) => data)}`
  return `${seen.kind} ${seen.member.data}`
}

describe('a group', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  let eve: Keeper
  before(async () => {
    ann = await served.connect({ label: 'ann' })
    bob = await served.connect()
    eve = await served.connect()
  })

  it('has its members in the order in which they joined, and tells each who is ahead', async () => {
    const first = await ann.group('queue').join('a')
    const second = await bob.group('queue').join('b')
    const third = await ann.group('queue').join('c')
    assert.ok(first.token < second.token && second.token < third.token)
    const members = await eve.group('queue').members()
    assert.deepEqual(
      members.map(({ data }) => data),
      ['a', 'b', 'c'],
    )
    assert.deepEqual([members[0]?.label, members[0]?.token], ['ann', first.token])
    assert.deepEqual(
      (await ann.group('queue').ahead(third)).map(({ data }) => data),
      ['a', 'b'],
    )
    assert.deepEqual(await ann.group('queue').ahead(first), [])
    await first.leave()
    assert.deepEqual(
      (await ann.group('queue').ahead(third)).map(({ data }) => data),
      ['b'],
    )
    await Promise.all([second.leave(), third.leave()])
    assert.deepEqual(await crowd(eve, 'queue'), [0, 0, 0])
  })

  it('is watched: who is there, then each who comes, changes and goes, in order', async () => {
    const first = await ann.group('watched').join('a')
    const seen: MembersSeen[] = []
    const stop = eve.group('watched').onChange({
      onNext: (item) => seen.push(item),
      onError: (error) => assert.fail(String(error)),
    })
    await until(() => seen.length === 1)
    const second = await bob.group('watched').join('b')
    await second.update('b2')
    await first.leave()
    await until(() => seen.length === 4)
    stop()
    assert.deepEqual(seen.map(inWords), ['members a', 'joined b', 'updated b2', 'left a'])
    await second.leave()
    const [, joined] = seen
    const since: string[] = []
    for await (const item of eve.group('watched').watch({ afterRevision: joined!.revision })) {
      since.push(inWords(item))
      if (since.length === 3) break
    }
    assert.deepEqual(since, ['updated b2', 'left a', 'left b2'])
  })

  it('loses who is lost', async () => {
    const short = await served.connect({ ttlMs: 500 })
    const membership = await short.group('mortal').join('m')
    const seen: MembersSeen[] = []
    const stop = eve.group('mortal').onChange({
      onNext: (item) => seen.push(item),
      onError: (error) => assert.fail(String(error)),
    })
    await until(() => seen.length === 1)
    await short.close()
    assert.equal(membership.state, 'released')
    await until(() => seen.length === 2)
    stop()
    const [, gone] = seen
    assert.ok(gone?.kind === 'left' && gone.reason === 'closed')
  })

  it('of more than fit on a page is listed and watched whole', async () => {
    const count = 250
    const joined = await Promise.all(Array.from({ length: count }, (_, k) => ann.group('large').join(`${k}`)))
    const members = await eve.group('large').members()
    assert.equal(members.length, count)
    const tokens = members.map(({ token }) => token)
    assert.deepEqual(
      tokens,
      [...tokens].sort((a, b) => a - b),
    )
    assert.deepEqual(new Set(tokens), new Set(joined.map(({ token }) => token)))
    const seen: MembersSeen[] = []
    for await (const item of eve.group('large').watch()) {
      seen.push(item)
      if (seen.length === 1) await joined[7]!.leave()
      if (seen.length === 2) break
    }
    const [first, second] = seen
    assert.ok(first?.kind === 'members' && first.members.length === count)
    assert.ok(second?.kind === 'left' && second.member.token === joined[7]!.token)
    await Promise.all(joined.map((membership) => membership.leave()))
  })

  it('is in nobody’s way: its name may be a lock as well', async () => {
    await using _member = await ann.group('both').join('a')
    await using lock = await bob.lock('both', { ifAvailable: true })
    assert.equal(lock?.state, 'held')
    assert.deepEqual(await crowd(eve, 'both'), [1, 0, 1])
  })

  it('is not joined by who has given up, and makes no sense of nonsense', async () => {
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    await assert.rejects(ann.group('x').join('a', { signal: AbortSignal.abort() }), { name: 'AbortError' })
    await assert.rejects(ann.group('x').join(7 as unknown as string), invalid)
    await assert.rejects(ann.group('').join('a'), invalid)
    await assert.rejects(ann.group('x').join('x'.repeat(20_000)), { code: 'LIMIT' })
    assert.deepEqual(await crowd(eve, 'x'), [0, 0, 0])
  })
})
