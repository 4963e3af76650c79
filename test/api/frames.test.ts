import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LIMITS } from '../../src/machine/language/limits.js'
import { type Calls, OneNode, refusalOf } from './one-node.js'
import { helloOf, newKey, RawStream, RENEW } from './raw-stream.js'

/** Field `number` of a message as a varint of these seven-bit groups, least first. */
function varint(number: number, ...groups: number[]): Buffer {
  return Buffer.from([
    number << 3,
    ...groups.map((group, k) => (k < groups.length - 1 ? group | 0x80 : group)),
  ])
}

const SEVEN_ONES = 0x7f
/** -1 as an int64, and 2^64 - 1 as an uint64: the same bytes. */
const MINUS_ONE = [...Array<number>(9).fill(SEVEN_ONES), 1]
/** 2^53. */
const TOO_LARGE = [...Array<number>(7).fill(0), 16]

describe('bytes', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  it('that are no message are refused in words, by every call', async () => {
    const calls: (keyof Calls)[] = [
      'openSession',
      'keepAlive',
      'closeSession',
      'acquire',
      'release',
      'cancel',
      'update',
      'downgrade',
      'forceRelease',
      'requestRelease',
      'suspend',
      'resume',
      'getName',
    ]
    for (const name of [...calls, 'listNames', 'listClaims', 'listSessions', 'getStatus'] as const) {
      const refusal = await refusalOf(node.callRaw(name, Buffer.from([0x0a, 0xff])))
      assert.deepEqual([refusal.status, refusal.code], ['INVALID_ARGUMENT', 'INVALID'], name)
      assert.match(refusal.message, /can't be read; check it against lockkeeper.proto/)
    }
  })

  it('that are no frame end the stream in words, before and after Welcome', async () => {
    const early = new RawStream(node.client)
    early.sendRaw(Buffer.from([0x0a, 0xff]))
    const late = await RawStream.attach(node.client)
    late.sendRaw(Buffer.from('GET / HTTP/1.1\r\n'))
    for (const stream of [early, late]) {
      const { status, code } = await stream.end()
      assert.deepEqual([status, code], ['INVALID_ARGUMENT', 'INVALID'])
    }
    const next = await RawStream.attach(node.client, late.session)
    assert.deepEqual(next.session, late.session, 'the session lives')
    next.close()
  })

  it('of a TTL that is negative or huge are refused', async () => {
    for (const ttl of [MINUS_ONE, TOO_LARGE]) {
      const refusal = await refusalOf(node.callRaw('openSession', varint(1, ...ttl)))
      assert.deepEqual([refusal.status, refusal.code], ['INVALID_ARGUMENT', 'INVALID'])
      assert.match(refusal.message, /at most 2\^53 - 1 and never negative/)
    }
    const { code } = await refusalOf(node.callRaw('openSession', varint(1, 0)))
    assert.equal(code, 'INVALID', 'a TTL of 0')
  })

  it('of a field that is not known yet are passed over', async () => {
    const { session } = await node.callRaw(
      'openSession',
      Buffer.concat([varint(1, 0x10, 0x27), varint(15, 1)]),
    )
    assert.ok(session!.id > 0)
  })

  it('of a frame over the limit end the stream with the number; the session and the node live on', async () => {
    const stream = await RawStream.attach(node.client)
    stream.sendRaw(Buffer.alloc(LIMITS.frameBytesMax + 1))
    const ending = await stream.end()
    assert.equal(ending.status, 'RESOURCE_EXHAUSTED')
    assert.match(ending.message, new RegExp(`${LIMITS.frameBytesMax}`))
    const next = await RawStream.attach(node.client, stream.session)
    assert.equal(await next.answerTo(0, 1, RENEW), 'renewed')
    next.close()
  })

  it('of a message over the limit are refused by calls too', async () => {
    const { status } = await refusalOf(node.callRaw('getName', Buffer.alloc(LIMITS.frameBytesMax + 1)))
    assert.equal(status, 'RESOURCE_EXHAUSTED')
  })

  it('of an empty frame mean nothing', async () => {
    const stream = await RawStream.attach(node.client)
    stream.sendRaw(Buffer.alloc(0))
    assert.equal(await stream.answerTo(0, 1, RENEW), 'renewed')
    stream.close()
  })

  it('that end, as from who has said all it had to say, end the stream in peace; the session lives on', async () => {
    const stream = await RawStream.attach(node.client)
    stream.halfClose()
    assert.equal((await stream.end()).status, 'OK')
    const next = await RawStream.attach(node.client, stream.session)
    assert.equal(await next.answerTo(0, 1, RENEW), 'renewed')
    next.close()
  })

  it('of a second hello on a stream mean nothing', async () => {
    const stream = await RawStream.attach(node.client)
    stream.send(helloOf({ id: 0, key: newKey() }))
    assert.equal(await stream.answerTo(0, 1, RENEW), 'renewed')
    assert.equal(stream.frames.filter(({ welcome }) => welcome !== undefined).length, 1)
    stream.close()
  })
})
