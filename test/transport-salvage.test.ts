import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { Client, type ClientDuplexStream, Metadata, type StatusObject } from '@grpc/grpc-js'
import { pino } from 'pino'
import type { IntactParts, LogPosition, SnapshotChunk } from '../src/replica/ports.js'
import { FrameError } from '../src/transport/frame-error.js'
import { encodeHello } from '../src/transport/hello.js'
import { SalvageAnswers, SalvagePeer } from '../src/transport/index.js'
import { decodeQuestion, encodeQuestion } from '../src/transport/salvage-questions.js'
import { CLIENT_CREDENTIALS, SALVAGE } from '../src/transport/service.js'
import { addressesFor, Station, stopStations } from './transport-station.js'

const START = { index: 7, term: 2, config: { voters: [1, 2, 3], outgoing: [], learners: [4] } }
const SILENT = pino({ level: 'silent' })

/** Fault 31: what a node tells a peer whose disk is damaged. */
describe('salvage over the wire', { timeout: 20_000 }, () => {
  const closing: (() => unknown)[] = []

  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
    await stopStations()
  })

  /** What node 2 has, in its second life. */
  class Parts implements IntactParts {
    readonly asked: LogPosition[] = []
    opened = 0
    readonly #changes = new EventEmitter()

    async logUpTo(last: LogPosition): Promise<Uint8Array[]> {
      this.asked.push(last)
      return [new Uint8Array([1, 2]), new Uint8Array()]
    }

    async openCheckpoint() {
      this.opened++
      const chunk = async (sequence: number): Promise<SnapshotChunk> => ({
        sequence,
        isLast: sequence === 1,
        data: new Uint8Array(300_000).fill(sequence + 1),
      })
      const close = async (): Promise<void> => {
        this.opened--
        this.#changes.emit('change')
      }
      return { start: START, chunk, close }
    }

    async until(condition: () => boolean): Promise<void> {
      while (!condition()) await once(this.#changes, 'change')
    }
  }

  async function answering(parts: IntactParts): Promise<string> {
    const address = (await addressesFor(1)).get(1)!
    const answers = new SalvageAnswers({ clusterId: 'blue', self: 1_002, parts, logger: SILENT })
    const server = await answers.listen(address)
    closing.push(() => server.close())
    return address
  }

  async function call(address: string, who = {}): Promise<SalvagePeer> {
    const peer = await SalvagePeer.call({ clusterId: 'blue', from: 1, to: 2, address, ...who })
    closing.push(() => peer.close())
    return peer
  }

  it('has entries and the checkpoint of a peer, in whatever life that is', async () => {
    const parts = new Parts()
    const peer = await call(await answering(parts))
    assert.deepEqual(await peer.logUpTo({ index: 9, term: 3 }), [new Uint8Array([1, 2]), new Uint8Array()])
    assert.deepEqual(parts.asked, [{ index: 9, term: 3 }])
    const checkpoint = await peer.openCheckpoint()
    assert.deepEqual(checkpoint?.start, START)
    for (const sequence of [0, 1]) {
      const { isLast, data } = await checkpoint!.chunk(sequence)
      assert.deepEqual([isLast, data.length, data[0]], [sequence === 1, 300_000, sequence + 1])
    }
    await peer.openCheckpoint()
    assert.equal(parts.opened, 1, 'one at a time')
    peer.close()
    await parts.until(() => parts.opened === 0)
  })

  it('is refused to who is of another cluster, looks for another node, or is the same', async () => {
    const address = await answering(new Parts())
    await assert.rejects(call(address, { clusterId: 'red' }), /you are of cluster 'red'/)
    await assert.rejects(call(address, { to: 3 }), /you look for node 3 and this is node 2/)
    await assert.rejects(call(address, { from: 2 }), /this is node 2, and so are you/)
  })

  it('is refused to who talks nonsense, or asks for a chunk of nothing', async () => {
    const address = await answering(new Parts())
    const hello = encodeHello({
      clusterId: 'blue',
      from: 1,
      to: 2,
      address: '',
      configIndex: 0,
      level: 0,
      disk: 0,
      lastIndex: 0,
      incarnation: 0,
    })
    const frames: [Buffer[], RegExp][] = [
      [[Buffer.from('nonsense')], /7 bytes too many/],
      [[hello, Buffer.from([0x91, 0x09])], /unknown question 9/],
      [[hello, encodeQuestion({ kind: 'chunk', sequence: 0 })], /a chunk of no checkpoint/],
    ]
    for (const [said, details] of frames) assert.match(await endOf(address, said), details)
    assert.throws(() => decodeQuestion(Buffer.from([0x92, 0x02, 0x01])), FrameError)
  })

  it('is answered by a node that runs, at the port where its peers send', async () => {
    const addresses = await addressesFor(2)
    const station = new Station(2, addresses)
    await station.start()
    const peer = await call(addresses.get(2)!)
    assert.deepEqual(await peer.logUpTo({ index: 1, term: 1 }), [])
    assert.equal(await peer.openCheckpoint(), undefined)
    await assert.rejects(call(addresses.get(2)!, { clusterId: 'red' }), /you are of cluster 'red'/)
  })

  it('says that nobody answers', async () => {
    await assert.rejects(call((await addressesFor(1)).get(1)!), /ECONNREFUSED|UNAVAILABLE/)
  })

  it('says that a peer hung up', async () => {
    const address = (await addressesFor(1)).get(1)!
    const answers = new SalvageAnswers({ clusterId: 'blue', self: 2, parts: new Parts(), logger: SILENT })
    const server = await answers.listen(address)
    const peer = await call(address)
    server.close()
    await assert.rejects(peer.logUpTo({ index: 9, term: 3 }))
  })

  /** How the stream ends on which that was said. */
  async function endOf(address: string, frames: readonly Buffer[]): Promise<string> {
    const client = new Client(address, CLIENT_CREDENTIALS)
    closing.push(() => client.close())
    const { path, requestSerialize, responseDeserialize } = SALVAGE
    const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    )
    stream.on('error', () => {})
    stream.resume()
    for (const frame of frames) stream.write(frame)
    return await new Promise((resolve) => {
      stream.on('status', ({ details }: StatusObject) => resolve(details))
    })
  }
})
