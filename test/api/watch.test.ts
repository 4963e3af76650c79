import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LIMITS } from '../../src/machine/language/limits.js'
import { Machine } from '../../src/machine/machine.js'
import { Mode, WatchPart } from '../../src/protocol/lockkeeper.js'
import { OneNode, until } from './one-node.js'
import { PLAIN_CLAIM, PLAIN_TERMS } from './plain.js'
import { acquire, CANCEL, CLOSE, type Operation, RawStream, release, tokenOf } from './raw-stream.js'
import { RawWatch } from './raw-watch.js'

function claimOf(names: readonly string[], data = ''): Operation {
  const terms = { ...PLAIN_TERMS, data }
  return { $case: 'acquire', value: { ...PLAIN_CLAIM, names: [...names], terms } }
}

function update(token: number, data: string): Operation {
  return { $case: 'update', value: { token, data } }
}

describe('watching a name', () => {
  let node: OneNode
  let stream: RawStream
  before(async () => {
    node = await OneNode.start()
    stream = await RawStream.attach(node.client)
  })
  after(() => node.stop())

  let slot = 0
  async function hold(name: string): Promise<number> {
    return tokenOf(await stream.answerTo(++slot, 1, acquire(name)))
  }

  async function letGo(token: number): Promise<void> {
    assert.equal(await stream.answerTo(++slot, 1, release(token)), 'released')
  }

  /** At least so many changes of other names. */
  async function changeOthers(count: number): Promise<void> {
    const names = Array.from({ length: LIMITS.namesPerClaimMax }, (_, k) => `other/${k}`)
    const rounds = Math.ceil(count / (2 * names.length))
    const busy = await RawStream.attach(node.client)
    for (let seq = 1; seq <= rounds; seq++) {
      busy.ask(0, seq, claimOf(names))
      busy.ask(0, seq, CANCEL)
    }
    await until(() => busy.answers(0, rounds).includes('cancelled'), 60_000)
    busy.close()
  }

  async function updateOften(token: number, count: number): Promise<string[]> {
    const all = Array.from({ length: count }, (_, k) => `${k}/`.padEnd(LIMITS.dataBytesMax, '.'))
    const own = ++slot
    for (const [k, data] of all.entries()) stream.ask(own, k + 1, update(token, data))
    await stream.answered(own, count, 'done')
    return all
  }

  it('begins with its state, and tells each change in order as it comes', async () => {
    const first = await hold('a')
    const watch = await RawWatch.begin(node.client, 'a')
    assert.deepEqual(
      watch.states.map(({ name, holders }) => [name, holders[0]?.token]),
      [['a', first]],
    )
    assert.equal(watch.revision, watch.states[0]?.revision)
    const other = await RawStream.attach(node.client)
    other.ask(1, 1, acquire('a'))
    other.ask(2, 1, acquire('a', 60_000))
    await until(() => watch.words.length === 2)
    await stream.answerTo(++slot, 1, update(first, 'here'))
    await letGo(first)
    await hold('b')
    await other.answerTo(2, 1, CANCEL)
    const second = tokenOf(other.answers(1, 1)[0]!)
    assert.equal(await other.answerTo(3, 1, CLOSE), 'closed')
    await until(() => watch.words.length === 7)
    assert.deepEqual(watch.words, [
      'queued 0',
      'queued 0',
      `updated ${first}`,
      `left ${first} released`,
      `granted ${second}`,
      'left 0 cancelled',
      `left ${second} closed`,
    ])
    assert.equal(watch.states.length, 1)
    const [queued, , updated] = watch.changes
    assert.deepEqual([queued?.claim?.session, queued?.claim?.names], [other.session.id, ['a']])
    assert.deepEqual([updated?.claim?.data, updated?.claim?.holds], ['here', 1])
    const revisions = watch.changes.map(({ revision }) => revision)
    assert.deepEqual(
      revisions,
      [...new Set(revisions)].sort((x, y) => x - y),
    )
    assert.equal(watch.revision, revisions.at(-1))
    await watch.close()
  })

  it('tells a change as it was, whatever became of the claim since', async () => {
    const { revision } = await RawWatch.begin(node.client, 'seats')
    const { session } = await RawStream.attach(node.client)
    const permits = { ...PLAIN_CLAIM, mode: Mode.PERMITS, permits: 1, capacity: 1, names: ['seats'] }
    await node.call('acquire', { ...permits, session: stream.session, slot: ++slot, seq: 1 })
    const waits = node.call('acquire', { ...permits, session, slot: 1, seq: 1 })
    await until(async () => (await node.call('getName', { name: 'seats' })).name?.waiting === 1)
    const request = { session, slot: 2, seq: 1, name: 'seats', token: 0, note: '' }
    await node.call('forceRelease', request)
    await waits
    const watch = await RawWatch.begin(node.client, 'seats', revision)
    assert.deepEqual(
      watch.changes.map(({ reason, claim }) => [claim?.token === 0, claim?.seats, reason]),
      [
        [false, [0], ''],
        [true, [], ''],
        [false, [0], 'forced'],
        [false, [0], ''],
      ],
    )
    await watch.close()
  })

  it('tells what comes in one turn in one part', async () => {
    const watch = await RawWatch.begin(node.client, 'crowd')
    const requests = Array.from({ length: 500 }, (_, k) => ({
      slot: 1_000 + k,
      seq: 1,
      operation: acquire('crowd'),
    }))
    stream.send({ hello: undefined, requests })
    await until(() => watch.changes.length === 500)
    assert.ok(watch.parts.length < 50, `${watch.parts.length} parts`)
    await watch.close()
  })

  it('goes on after a revision: with all that came since, and nothing else', async () => {
    const watch = await RawWatch.begin(node.client, 'resumed')
    const before = await hold('resumed')
    await until(() => watch.words.length === 1)
    await watch.close()
    await letGo(before)
    await hold('others')
    const after = await hold('resumed')
    const again = await RawWatch.begin(node.client, 'resumed', watch.revision)
    await until(() => again.words.length === 2)
    assert.deepEqual([again.words, again.states], [[`left ${before} released`, `granted ${after}`], []])
    const third = await RawWatch.begin(node.client, 'resumed', again.revision)
    assert.deepEqual([third.words, third.states, third.revision], [[], [], again.revision])
    await letGo(after)
    await until(() => again.words.length === 3 && third.words.length === 1)
    assert.deepEqual(third.words, [`left ${after} released`])
    await Promise.all([again.close(), third.close()])
  })

  it('refuses nonsense: no name, a revision that is yet to come', async () => {
    const { revision } = await RawWatch.begin(node.client, 'a')
    const early = await new RawWatch(node.client, 'a', revision + 1_000).end()
    assert.deepEqual([early.status, early.code], ['INVALID_ARGUMENT', 'INVALID'])
    assert.match(early.message, /yet to come: the newest is \d+; begin anew/)
    assert.equal((await new RawWatch(node.client, '').end()).code, 'INVALID')
    assert.equal((await new RawWatch(node.client, 'x'.repeat(513)).end()).code, 'LIMIT')
  })

  it('of a quiet name tells how far it is, before that is forgotten; who was away for longer is told the state', async () => {
    const quiet = await hold('quiet')
    const watch = await RawWatch.begin(node.client, 'quiet')
    const old = watch.revision
    await changeOthers(0.6 * LIMITS.changesMax)
    await until(() => watch.revision > old)
    await changeOthers(0.6 * LIMITS.changesMax)
    assert.deepEqual([watch.words, watch.states.length], [[], 1], 'nothing happened to it')

    const near = await RawWatch.begin(node.client, 'quiet', watch.revision)
    assert.deepEqual([near.words, near.states], [[], []])
    const far = await RawWatch.begin(node.client, 'quiet', old)
    assert.deepEqual(
      far.states.map(({ holders }) => holders[0]?.token),
      [quiet],
    )
    await letGo(quiet)
    for (const told of [watch, near, far]) {
      await until(() => told.words.length > 0)
      assert.deepEqual(told.words, [`left ${quiet} released`])
      await told.close()
    }
  })

  it('goes at the pace of its reader, with no change left out', async () => {
    const token = await hold('paced')
    const watch = await RawWatch.begin(node.client, 'paced')
    watch.pause()
    const all = await updateOften(token, 300)
    watch.resume()
    await until(() => watch.changes.length === all.length)
    assert.deepEqual(
      watch.changes.map(({ claim }) => claim?.data),
      all,
    )
    assert.equal(watch.states.length, 1)
    for (const part of watch.parts) assert.ok(WatchPart.encode(part).finish().length < 300_000)
    await watch.close()
  })

  it('keeps nothing for a reader who does not read: if it is forgotten meanwhile, the state is told', async () => {
    const token = await hold('unread')
    const watch = await RawWatch.begin(node.client, 'unread')
    watch.pause()
    const all = await updateOften(token, 1_500)
    await changeOthers(LIMITS.changesMax)
    watch.resume()
    await until(() => watch.states.length === 2)
    assert.equal(watch.states[1]?.holders[0]?.data, all.at(-1))
    assert.ok(watch.changes.length < 750, `${watch.changes.length} changes were under way`)
    assert.deepEqual(
      watch.changes.map(({ claim }) => claim?.data),
      all.slice(0, watch.changes.length),
    )
    await letGo(token)
    await until(() => watch.words.at(-1) === `left ${token} released`)
    await watch.close()
  })

  it('ends with INTERNAL if the node makes a mistake, and the node goes on', async (t) => {
    t.mock.method(Machine.prototype, 'name', () => {
      throw new Error('a mistake of ours')
    })
    assert.equal((await new RawWatch(node.client, 'a').end()).code, 'INTERNAL')
    t.mock.restoreAll()
    await (await RawWatch.begin(node.client, 'a')).close()
  })

  it('ends with STOPPING when the node stops, and a reader who does not read does not keep it from that', async () => {
    const watch = await RawWatch.begin(node.client, 'a')
    const token = await hold('stopping')
    const slow = await RawWatch.begin(node.client, 'stopping')
    slow.pause()
    await updateOften(token, 100)
    await node.stopNode()
    const { status, code } = await watch.end()
    assert.deepEqual([status, code], ['UNAVAILABLE', 'STOPPING'])
    slow.resume()
    assert.notEqual((await slow.end()).status, 'OK')
  })
})
