import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LIMITS } from '../../src/machine/limits.js'
import { ListNamesResponse, type Session } from '../../src/protocol/lockkeeper.js'
import { OneNode } from './one-node.js'
import { CLAIM_SHOWN, NAME_SHOWN, PLAIN_CLAIM } from './plain.js'
import { newKey, RawStream, RENEW } from './raw-stream.js'

describe('inspection', () => {
  let node: OneNode
  let stream: RawStream
  before(async () => {
    node = await OneNode.start()
    stream = await RawStream.attach(node.client)
  })
  after(() => node.stop())

  let slot = 0
  async function acquireAll(...claims: string[][]): Promise<void> {
    const requests = claims.map((names) => ({
      slot: ++slot,
      seq: 1,
      operation: { $case: 'acquire', value: { ...PLAIN_CLAIM, names, label: 'x'.repeat(200) } } as const,
    }))
    stream.send({ hello: undefined, requests })
    assert.equal(await stream.answerTo(0, slot, RENEW), 'renewed', 'all have been taken into the log')
  }

  async function list(prefix: string, after = '', limit = 0): Promise<{ names: string[]; more: boolean }> {
    const { names, more } = await node.call('listNames', { prefix, after, limit })
    return { names: names.map(({ name }) => name), more }
  }

  it('shows who holds a name and who waits, since when, and for what', async () => {
    const mine: Session = { id: 0, key: newKey() }
    const { session } = await node.call('openSession', { ttlMs: 20_000, label: 'web-1', key: mine.key })
    const { token } = await node.call('acquire', {
      ...PLAIN_CLAIM,
      session,
      slot: 1,
      seq: 1,
      names: ['seen', 'seen too'],
      label: 'payout',
    })
    await acquireAll(['seen'])
    const { name: state } = await node.call('getName', { name: 'seen' })
    const [holder] = state!.holders
    assert.ok(holder!.ttlLeftMs > 0 && holder!.ttlLeftMs <= 20_000)
    assert.deepEqual(
      { ...holder, ttlLeftMs: 0, sinceMs: 0 },
      {
        ...CLAIM_SHOWN,
        id: holder!.id,
        session: session!.id,
        sessionLabel: 'web-1',
        label: 'payout',
        token,
        names: ['seen', 'seen too'],
      },
    )
    assert.deepEqual(
      [state!.waiters[0]?.session, state!.waiters[0]?.token, state!.waiting],
      [stream.session.id, 0, 1],
    )
  })

  it('of a name nobody uses shows that nobody does', async () => {
    const { name } = await node.call('getName', { name: 'unused' })
    assert.deepEqual(name, { ...NAME_SHOWN, name: 'unused', revision: name!.revision })
  })

  it('lists names in order, by prefix, a page at a time', async () => {
    const names = Array.from({ length: 250 }, (_, k) => `page/${String(k).padStart(3, '0')}`)
    await acquireAll(...names.map((name) => [name]).reverse())
    assert.deepEqual(
      await list('page/'),
      { names: names.slice(0, 100), more: true },
      'a page of the server’s size',
    )
    assert.deepEqual(await list('page/', names[9], 3), { names: names.slice(10, 13), more: true })
    assert.deepEqual(
      await list('page/', 'page/0005', 1),
      { names: ['page/001'], more: true },
      'after what is none',
    )
    assert.deepEqual(await list('page/', '', 250), { names, more: false }, 'exactly all')
    assert.deepEqual(await list('page/', names[248], 7), { names: names.slice(249), more: false })
    assert.deepEqual(await list('page/', names[249]), { names: [], more: false })
    assert.deepEqual(await list('page/24', '', 2 ** 32 - 1), { names: names.slice(240), more: false })
    assert.deepEqual(await list('nothing'), { names: [], more: false })
  })

  it('a page never outgrows the message that every gRPC client takes by default', async () => {
    // About 4.5 KB a name, so that a page is full before it has a thousand. Pages that begin at different names end at
    // different distances from the limit: some within the few bytes a name that surround it.
    const claims = Array.from({ length: 160 }, (_, claim) =>
      Array.from({ length: 8 }, (_, n) => `large/${100 + claim}/${n}/`.padEnd(450 + (claim % 50), '.')),
    )
    await acquireAll(...claims)
    for (let begin = 0; begin < 20; begin++) {
      const after = claims[begin]![0]!
      const page = await node.call('listNames', { prefix: 'large/', after, limit: 1_000 })
      assert.ok(page.more && page.names.length < 1_000)
      const bytes = ListNamesResponse.encode(page).finish().length
      assert.ok(bytes <= LIMITS.pageBytesMax && bytes > LIMITS.pageBytesMax - 10_000, `${bytes} bytes`)
    }
    const all: string[] = []
    for (let more = true; more; ) {
      const page = await list('large/', all.at(-1), 1_000)
      all.push(...page.names)
      more = page.more
    }
    assert.deepEqual(all, claims.flat(), 'pages continue one another')
  })

  it('the status counts sessions and names, and says who leads', async () => {
    const status = await node.call('getStatus', {})
    assert.deepEqual(
      [status.clusterId, status.nodeId, status.role, status.topology?.leader],
      ['test', 1, 'leader', 1],
    )
    assert.ok(status.sessions >= 2 && status.names >= 250 && status.appliedIndex <= status.commitIndex)
  })
})
