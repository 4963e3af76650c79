import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LIMITS } from '../../src/machine/language/limits.js'
import { OneNode, until } from './one-node.js'
import { acquire, CANCEL, newKey, RawStream, RENEW, release, tokenOf } from './raw-stream.js'

describe('requests on a stream', () => {
  let node: OneNode
  let holder: RawStream
  let other: RawStream
  before(async () => {
    node = await OneNode.start()
    holder = await RawStream.attach(node.client)
    other = await RawStream.attach(node.client)
  })
  after(() => node.stop())

  async function holders(name: string): Promise<number[]> {
    const state = (await node.call('getName', { name })).name!
    return state.holders.map(({ token }) => token)
  }

  async function waiting(name: string): Promise<number> {
    return (await node.call('getName', { name })).name!.waiting
  }

  it('a lock goes from one session to the next, with a greater token', async () => {
    const first = tokenOf(await holder.answerTo(1, 1, acquire('a')))
    other.ask(1, 1, acquire('a'))
    other.ask(2, 1, acquire('a', 0))
    await other.answered(2, 1, 'refused TIMEOUT')
    assert.deepEqual(other.answers(1, 1), [], 'who waits hears nothing')
    assert.equal(await holder.answerTo(1, 2, release(first)), 'released')
    await other.answered(1, 1, `granted ${first + 1}`)
    assert.equal(await other.answerTo(1, 2, release(first + 1)), 'released')
  })

  it('a wait limit ends a wait, and leaves nothing in the queue', async () => {
    const token = tokenOf(await holder.answerTo(1, 3, acquire('patience')))
    assert.equal(await other.answerTo(1, 3, acquire('patience', 50)), 'refused TIMEOUT')
    assert.equal(await waiting('patience'), 0)
    assert.equal(await holder.answerTo(1, 4, release(token)), 'released')
  })

  it('a release with an old token, twice, or by a stranger changes nothing for who holds', async () => {
    const old = tokenOf(await holder.answerTo(3, 1, acquire('guarded')))
    assert.equal(await holder.answerTo(3, 2, release(old)), 'released')
    assert.equal(await holder.answerTo(3, 2, release(old)), 'released', 'the same request: the same answer')
    assert.equal(await holder.answerTo(3, 3, release(old)), 'refused NOT_HELD', 'another request: too late')
    const token = tokenOf(await other.answerTo(3, 1, acquire('guarded')))
    assert.equal(await holder.answerTo(3, 4, release(token)), 'refused NOT_HELD', 'a stranger')
    assert.equal(await other.answerTo(3, 2, release(old)), 'refused NOT_HELD', 'an old token')
    assert.equal(await other.answerTo(3, 3, release(2 ** 40)), 'refused NOT_HELD', 'a token from the future')
    assert.equal(await other.answerTo(3, 4, release(0)), 'refused INVALID')
    assert.deepEqual(await holders('guarded'), [token])
  })

  it('a cancel that overtakes its acquire is found by it', async () => {
    assert.equal(await holder.answerTo(4, 1, CANCEL), 'cancelled')
    assert.equal(await holder.answerTo(4, 1, acquire('never')), 'refused CANCELLED')
    assert.deepEqual(await holders('never'), [])
  })

  it('a cancel takes a waiting acquire out of the queue; both are answered', async () => {
    const token = tokenOf(await holder.answerTo(5, 1, acquire('contended')))
    other.ask(5, 1, acquire('contended'))
    other.ask(5, 1, CANCEL)
    await other.answered(5, 1, 'cancelled')
    await other.answered(5, 1, 'refused CANCELLED')
    assert.equal(await waiting('contended'), 0)
    assert.deepEqual(await holders('contended'), [token])
  })

  it('a cancel gives back what was granted meanwhile', async () => {
    tokenOf(await holder.answerTo(6, 1, acquire('unwanted')))
    assert.equal(await holder.answerTo(6, 1, CANCEL), 'cancelled')
    assert.deepEqual(await holders('unwanted'), [])
  })

  it('an acquire repeated on another stream finds its place in the queue, and both hear of the grant', async () => {
    const token = tokenOf(await holder.answerTo(7, 1, acquire('queue')))
    other.ask(7, 1, acquire('queue'))
    const again = await RawStream.attach(node.client, other.session)
    again.ask(7, 1, acquire('queue'))
    assert.equal(await again.answerTo(0, 1, RENEW), 'renewed', 'the repeat has arrived')
    assert.equal(await waiting('queue'), 1, 'in the queue once')
    assert.equal(await holder.answerTo(7, 2, release(token)), 'released')
    await again.answered(7, 1, `granted ${token + 1}`)
    await other.answered(7, 1, `granted ${token + 1}`)
    again.close()
  })

  it('a slot out of range, or a seq of 0, is refused, and the stream goes on', async () => {
    const { slotsPerSessionMax } = LIMITS
    assert.equal(await holder.answerTo(slotsPerSessionMax, 1, acquire('a')), 'refused INVALID')
    assert.equal(await holder.answerTo(2 ** 32 - 1, 1, acquire('a')), 'refused INVALID')
    assert.equal(await holder.answerTo(8, 0, acquire('a')), 'refused INVALID')
    assert.match(await holder.answerTo(slotsPerSessionMax - 1, 1, acquire('last slot', 0)), /^granted/)
  })

  it('a slot that has moved on refuses what is older, and a busy one what is newer', async () => {
    assert.match(await holder.answerTo(9, 5, acquire('slots', 0)), /granted/)
    assert.equal(await holder.answerTo(9, 4, acquire('slots', 0)), 'refused STALE_REQUEST')
    other.ask(9, 1, acquire('slots'))
    assert.equal(await other.answerTo(9, 2, acquire('elsewhere')), 'refused INVALID')
    assert.equal(await waiting('slots'), 1)
  })

  it('an operation that this version does not know is refused, and the stream goes on', async () => {
    assert.equal(await holder.answerTo(10, 1, undefined), 'refused UNSUPPORTED')
    assert.equal(await holder.answerTo(0, 9, RENEW), 'renewed')
  })

  it('a thousand in one frame are a thousand answers', async () => {
    const many = await RawStream.attach(node.client, { id: 0, key: newKey() })
    const requests = Array.from({ length: 1_000 }, (_, k) => ({
      slot: k + 1,
      seq: 1,
      operation: acquire(`many/${k}`, 0),
    }))
    many.send({ hello: undefined, requests })
    assert.equal(await many.answerTo(0, 1, RENEW), 'renewed')
    const answers = () => many.frames.flatMap((frame) => frame.answers)
    await until(() => answers().length === 1_001)
    assert.ok(requests.every(({ slot }) => /^granted/.test(many.answers(slot, 1)[0] ?? '')))
    many.close()
  })
})
