import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { FRAME, frame, RawHttp2, whole } from '../../scripts/attack/raw-http2.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { placesFor } from '../../src/platform/port/index.js'
import { OneNode, until } from './one-node.js'
import { PLAIN_CLAIM } from './plain.js'

const ATTACH = '/lockkeeper.v1.Lockkeeper/Attach'

describe('the sockets of a node', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  const clientPort = async () => (await node.call('getStatus', {})).clientPort!

  it('are shown in its status, with what it may have', async () => {
    const { clientPort, peerPort, descriptorsMax } = await node.call('getStatus', {})
    assert.deepEqual([clientPort?.connections, clientPort?.calls], [1, 1])
    assert.equal(clientPort?.connectionsMax, placesFor(descriptorsMax).clients)
    assert.equal(clientPort?.callsPerConnectionMax, LIMITS.callsPerConnectionMax)
    assert.deepEqual([peerPort?.connections, peerPort?.connectionsMax], [0, placesFor(descriptorsMax).peers])
  })

  it('hold parts of frames up to a limit, and others do not notice', async () => {
    const session = await node.openSession()
    const raw = await RawHttp2.open(node.address)
    const part = frame(FRAME.data, 0, 0, whole(Buffer.alloc(16_000), LIMITS.frameBytesMax))
    const more = frame(FRAME.data, 0, 0, Buffer.alloc(16_384))
    for (let k = 0; k < 300 && !raw.isClosed; k++) {
      raw.write(raw.call(ATTACH))
      for (const each of [part, more, more, more]) {
        const bytes = Buffer.from(each)
        bytes.writeUInt32BE(raw.stream, 5)
        raw.write(bytes)
      }
    }
    const claim = { ...PLAIN_CLAIM, session, slot: 1, seq: 1, names: ['a'], waitMs: 0 }
    assert.notEqual((await node.call('acquire', claim)).token, 0)
    assert.equal(await raw.closed(20_000), true)
    await until(async () => (await clientPort()).connections === 1)
    assert.ok((await clientPort()).bufferedBytes < 10_000)
    assert.ok((await clientPort()).connectionsClosed >= 1)
  })
})

describe('the descriptors of a process', () => {
  const cases: [number, ReturnType<typeof placesFor>][] = [
    [150, { peers: 18, clients: 59 }],
    [1_024, { peers: 128, clients: 768 }],
    [65_536, { peers: 256, clients: 16_384 }],
  ]
  for (const [descriptors, places] of cases) {
    it(`are shared out: ${descriptors} of them`, () => {
      assert.deepEqual(placesFor(descriptors), places)
    })
  }
})
