import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LIMITS } from '../../src/machine/language/limits.js'
import { ServerFrame } from '../../src/protocol/lockkeeper.js'
import { OneNode, until } from './one-node.js'
import { CANCEL, RawStream, RENEW } from './raw-stream.js'

/** Refused at the door without asking anybody: ten bytes that bring about sixty. */
const REFUSED = { slot: LIMITS.slotsPerSessionMax, seq: 1, operation: CANCEL }
const PER_FRAME = 20_000
const FRAMES = 140

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes in use in this process, which is the node's and its clients'. */
function usedBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe('a client that does not read', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  it('is cut off at the limit, costs no more than that, and disturbs nobody', async () => {
    const other = await RawStream.attach(node.client)
    const slow = await RawStream.attach(node.client)
    const before = usedBytes()
    slow.pause()
    const frame = { hello: undefined, requests: Array<typeof REFUSED>(PER_FRAME).fill(REFUSED) }
    for (let k = 1; k <= FRAMES; k++) {
      slow.send(frame)
      assert.equal(await other.answerTo(0, k, RENEW), 'renewed')
    }
    // Ten times as much was asked for. What stays is the frame under way; and, since the client is in this process too,
    // what its own gRPC has read ahead and decoded: 16 frames, some 25 MB.
    await until(() => usedBytes() - before < 3 * LIMITS.streamBufferBytesMax)

    slow.resume()
    const { status, code, message } = await slow.end()
    assert.deepEqual([status, code], ['UNAVAILABLE', 'BUSY'])
    assert.match(message, new RegExp(`${LIMITS.streamBufferBytesMax} bytes unread; read faster`))
    const readBytes = slow.frames.reduce((sum, read) => sum + ServerFrame.encode(read).finish().length, 0)
    assert.ok(readBytes < LIMITS.streamBufferBytesMax, 'what waited was dropped')

    const again = await RawStream.attach(node.client, slow.session)
    assert.equal(await again.answerTo(0, 1, RENEW), 'renewed', 'the session lives on')
  })

  it('does not keep the node from stopping', async () => {
    const slow = await RawStream.attach(node.client)
    slow.pause()
    slow.send({ hello: undefined, requests: Array<typeof REFUSED>(PER_FRAME).fill(REFUSED) })
    const other = await RawStream.attach(node.client)
    await node.stopNode()
    assert.equal((await other.end()).code, 'STOPPING')
    slow.resume()
    assert.equal((await slow.end()).status === 'OK', false)
  })
})
