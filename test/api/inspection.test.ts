import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LIMITS } from '../../src/machine/language/limits.js'
import {
  type Acquire,
  GetNameResponse,
  ListClaimsRequest_Line,
  ListClaimsResponse,
  ListNamesResponse,
  Mode,
  type Session,
} from '../../src/protocol/lockkeeper.js'
import { OneNode } from './one-node.js'
import { CLAIM_SHOWN, NAME_SHOWN, PLAIN_CLAIM, PLAIN_TERMS } from './plain.js'
import { newKey, type Operation, RawStream, RENEW } from './raw-stream.js'

function claimOf(names: string[], more: Partial<Acquire> = {}): Operation {
  return { $case: 'acquire', value: { ...PLAIN_CLAIM, names, ...more } }
}

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
    await ask(...claims.map((names) => claimOf(names, { label: 'x'.repeat(200) })))
  }

  async function ask(...operations: Operation[]): Promise<void> {
    const requests = operations.map((operation) => ({ slot: ++slot, seq: 1, operation }))
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

  it('lists one line of a name, a page at a time', async () => {
    const mode = Mode.SHARED
    const readers = Array.from({ length: 250 }, () => claimOf(['line'], { mode }))
    await ask(...readers, ...Array.from({ length: 5 }, () => claimOf(['line'])))
    await ask(...Array.from({ length: 3 }, () => claimOf(['line'], { mode: Mode.MEMBER })))
    const { name: state } = await node.call('getName', { name: 'line' })
    assert.deepEqual([state?.holding, state?.waiting, state?.joined], [250, 5, 3])
    assert.deepEqual([state?.holders.length, state?.waiters.length, state?.members.length], [100, 5, 3])

    const { HOLDERS, WAITERS, MEMBERS } = ListClaimsRequest_Line
    const page = async (line: ListClaimsRequest_Line, after: number, limit: number) => {
      const { claims, more } = await node.call('listClaims', { name: 'line', line, after, limit })
      return { tokens: claims.map(({ token }) => token), last: claims.at(-1)?.id ?? 0, more }
    }
    const first = await page(HOLDERS, 0, 0)
    assert.deepEqual([first.tokens, first.more], [state?.holders.map(({ token }) => token), true])
    const second = await page(HOLDERS, first.last, 1_000)
    assert.deepEqual([second.tokens.length, second.more], [150, false])
    assert.ok(second.tokens[0]! > first.tokens.at(-1)!)
    assert.deepEqual((await page(HOLDERS, second.last, 1)).tokens, [])
    assert.deepEqual((await page(WAITERS, 0, 3)).more, true)
    assert.deepEqual((await page(WAITERS, 0, 5)).tokens, [0, 0, 0, 0, 0])
    assert.equal((await page(MEMBERS, 0, 0)).tokens.length, 3)
    const { claims } = await node.call('listClaims', { name: 'unused', line: HOLDERS, after: 0, limit: 0 })
    assert.deepEqual(claims, [])
  })

  it('of a line refuses what is none, and to go on after who has left it', async () => {
    const request = { name: 'line', line: ListClaimsRequest_Line.WAITERS, after: 0, limit: 0 }
    const [waiter] = (await node.call('listClaims', request)).claims
    const holders = { ...request, line: ListClaimsRequest_Line.HOLDERS, after: waiter!.id }
    const gone = await node.refusalOf('listClaims', holders)
    assert.equal(gone.code, 'NOT_HELD')
    assert.match(gone.message, /claim \d+ does not stand among the holders of 'line' any more; begin anew/)
    assert.equal(
      (await node.refusalOf('listClaims', { ...request, line: ListClaimsRequest_Line.UNRECOGNIZED })).code,
      'INVALID',
    )
    assert.equal((await node.refusalOf('listClaims', { ...request, name: '' })).code, 'INVALID')
  })

  it('lists the sessions that live, a page at a time', async () => {
    const key = newKey()
    const { session } = await node.call('openSession', { ttlMs: 20_000, label: 'cron', key })
    const claims = { ...PLAIN_CLAIM, session, seq: 1 }
    await node.call('acquire', { ...claims, slot: 1, names: ['of cron'] })
    const late = await node.refusalOf('acquire', { ...claims, slot: 2, names: ['of cron'] }, 1_000)
    assert.equal(late.status, 'DEADLINE_EXCEEDED')
    const { sessions: all, more } = await node.call('listSessions', { after: 0, limit: 1_000 })
    assert.equal(more, false)
    const ids = all.map(({ id }) => id)
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    )
    const { ttlLeftMs, openMs, ...rest } = all.at(-1)!
    assert.deepEqual(rest, { id: session!.id, label: 'cron', ttlMs: 20_000, holding: 1, waiting: 1 })
    assert.ok(ttlLeftMs > 0 && ttlLeftMs <= 20_000 && openMs < 10_000)
    const first = await node.call('listSessions', { after: 0, limit: 1 })
    assert.deepEqual([first.sessions.map(({ id }) => id), first.more], [ids.slice(0, 1), true])
    const next = await node.call('listSessions', { after: ids[0]!, limit: 0 })
    assert.deepEqual(
      next.sessions.map(({ id }) => id),
      ids.slice(1),
    )
    await node.call('closeSession', { session })
    const { sessions } = await node.call('listSessions', { after: ids.at(-2)!, limit: 0 })
    assert.deepEqual(sessions, [])
  })

  it('one name never outgrows that message, nor a page of its claims', async () => {
    const names = Array.from({ length: 64 }, (_, k) => `big/${k}/`.padEnd(512, '.'))
    const terms = { ...PLAIN_TERMS, data: 'x'.repeat(LIMITS.dataBytesMax) }
    for (const mode of [Mode.SHARED, Mode.EXCLUSIVE])
      for (let k = 0; k < 100; k++) await ask(claimOf(names, { mode, terms }))
    const { name } = await node.call('getName', { name: names[0]! })
    assert.deepEqual([name?.holding, name?.waiting], [100, 100])
    assert.ok(name!.holders.length >= 2 && name!.holders.length < 100)
    const bytes = GetNameResponse.encode({ name }).finish().length
    assert.ok(bytes <= LIMITS.pageBytesMax, `${bytes} bytes`)
    const ids: number[] = []
    for (let more = true; more; ) {
      const request = { name: names[0]!, line: 1, after: ids.at(-1) ?? 0, limit: 1_000 }
      const page = await node.call('listClaims', request)
      assert.ok(ListClaimsResponse.encode(page).finish().length <= LIMITS.pageBytesMax)
      ids.push(...page.claims.map(({ id }) => id))
      more = page.more
    }
    assert.equal(new Set(ids).size, 100)
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
