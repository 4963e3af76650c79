import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { AttachedStream } from '../../src/api/attached-stream.js'
import type { Refusal } from '../../src/api/refusal.js'
import { connect } from '../../src/client/index.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { ClientFrame, type Request, ServerFrame } from '../../src/protocol/lockkeeper.js'
import { HandDrivenNode } from '../replica/hand-driven.js'
import { doorOf } from './door-by-hand.js'
import { OneNode, until } from './one-node.js'
import { CANCEL, helloOf, newKey, RawStream, RENEW } from './raw-stream.js'

/** Refused at the door without asking anybody: ten bytes that bring about sixty. */
const REFUSED = { slot: LIMITS.slotsPerSessionMax, seq: 1, operation: CANCEL }
const PER_FRAME = 20_000
const FRAMES = 20

describe('a client that reads slowly', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  it('is not read from meanwhile, disturbs nobody, and is sent every reply when it reads again', async () => {
    const other = await RawStream.attach(node.client)
    const slow = await RawStream.attach(node.client)
    slow.pause()
    const frame = { hello: undefined, requests: Array<typeof REFUSED>(PER_FRAME).fill(REFUSED) }
    for (let k = 1; k <= FRAMES; k++) {
      slow.send(frame)
      assert.equal(await other.answerTo(0, k, RENEW), 'renewed')
    }
    slow.resume()
    const replies = (): number => slow.frames.reduce((sum, { answers }) => sum + answers.length, 0)
    await until(() => replies() === FRAMES * PER_FRAME || slow.ending !== undefined, 60_000)
    assert.equal(slow.ending, undefined)
    assert.ok(
      slow.frames.every((read) => ServerFrame.encode(read).finish().length < 256 * 1024),
      'no frame takes long to encode',
    )
    slow.close()
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

describe('results that are large together', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  it('reach a client that asks for all of them at once', async () => {
    await using writer = await connect(node.address)
    await using reader = await connect(node.address)
    const keys = Array.from({ length: 1_200 }, (_, k) => `result/${k}`)
    const results = keys.map((key) => key.padEnd(15_000, '.'))
    await Promise.all(keys.map((key, k) => writer.once(key, () => results[k], { ttl: '1h' })))
    const nodeBefore = reader.session.nodeId
    const found = await Promise.all(
      keys.map((key) =>
        reader.once(key, () => assert.fail('it has been done'), { ttl: '1h', waitMs: 30_000 }),
      ),
    )
    assert.deepEqual(found, results)
    assert.equal(reader.session.nodeId, nodeBefore)
  })
})

/** A stream of a client that takes frames only when it is told to. */
async function streamByHand(node: HandDrivenNode) {
  const sent: ServerFrame[] = []
  const state: { isReading: boolean; ending?: Refusal | undefined; taken: () => void } = {
    isReading: true,
    taken: () => assert.fail('nothing was sent'),
  }
  const stream: AttachedStream = doorOf(node).attach({
    send: (frame, onTaken) => {
      sent.push(ServerFrame.decode(frame))
      state.taken = onTaken
    },
    end: (refusal) => {
      state.ending = refusal
    },
    setReading: (isWanted) => {
      state.isReading = isWanted
    },
  })
  const send = (frame: ClientFrame): void => stream.receive(ClientFrame.encode(frame).finish())
  const take = async (): Promise<void> => {
    state.taken()
    await node.clock.pass(1)
  }
  send(helloOf({ id: 0, key: newKey() }))
  await node.clock.pass(100)
  await take()
  const answers = (): number => sent.reduce((sum, frame) => sum + frame.answers.length, 0)
  return { sent, state, send, take, answers }
}

function frameOf(requests: Request[]): ClientFrame {
  return { hello: undefined, requests }
}

describe('a stream whose client takes nothing', () => {
  it('holds a bounded number of bytes: neither replies nor requests pile up', async () => {
    const node = await HandDrivenNode.leading()
    const { state, send, sent } = await streamByHand(node)
    const before = sent.length
    let frames = 0
    while (state.isReading && frames < 1_000) {
      send(frameOf(Array<Request>(10_000).fill(REFUSED)))
      frames++
      await node.clock.pass(10)
    }
    assert.ok(frames < 500, 'it stops reading')
    assert.equal(sent.length, before + 1, 'one frame is on its way')
  })

  it('goes on where it stopped when the client takes frames again, and loses no reply', async () => {
    const node = await HandDrivenNode.leading()
    const { state, send, take, answers } = await streamByHand(node)
    let asked = 0
    while (state.isReading) {
      send(frameOf(Array<Request>(10_000).fill(REFUSED)))
      asked += 10_000
      await node.clock.pass(10)
    }
    for (let k = 0; k < 100_000 && answers() < asked; k++) await take()
    assert.equal(answers(), asked)
    assert.ok(state.isReading)
  })

  it('is ended after ten seconds', async () => {
    const node = await HandDrivenNode.leading()
    const { state, send } = await streamByHand(node)
    while (state.isReading) {
      send(frameOf(Array<Request>(10_000).fill(REFUSED)))
      await node.clock.pass(10)
    }
    await node.clock.pass(11_000)
    assert.equal(state.ending?.code, 'BUSY')
    assert.match(state.ending?.message ?? '', /bytes unread for 10000 ms; read faster/)
  })

  it('takes a renewal before the requests that came earlier and wait', async () => {
    const node = await HandDrivenNode.leading()
    const { send, take, sent } = await streamByHand(node)
    send(frameOf(Array<Request>(50_000).fill(REFUSED)))
    await node.clock.turn()
    send(
      frameOf([
        { slot: 1, seq: 1, operation: CANCEL },
        { slot: 0, seq: 1, operation: RENEW },
      ]),
    )
    for (let k = 0; k < 20; k++) await take()
    const results = sent.flatMap(({ answers }) => answers.map(({ result }) => result?.$case))
    const at = results.indexOf('renewed')
    assert.ok(at >= 0 && at < 40_000, `after ${at} others`)
  })
})

describe('many streams', () => {
  it('hear of the leader in slices, and of the newest one only', async () => {
    const node = await HandDrivenNode.leading()
    const door = doorOf(node, 0)
    const frames: Uint8Array[] = []
    for (let k = 0; k < 20; k++) {
      const stream = door.attach({
        send: (frame, onTaken) => {
          frames.push(frame)
          setImmediate(onTaken)
        },
        end: () => undefined,
        setReading: () => undefined,
      })
      stream.receive(ClientFrame.encode(helloOf({ id: 0, key: newKey() })).finish())
    }
    await node.clock.pass(1_000)
    frames.length = 0
    door.onStatus()
    door.onStatus()
    await node.clock.turn()
    assert.ok(frames.length <= 1, 'in one turn')
    await node.clock.pass(1_000)
    assert.equal(frames.length, 20)
    assert.equal(new Set(frames).size, 1, 'it was encoded once')
  })
})
