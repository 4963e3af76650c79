import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { connect as dial } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { connect } from '../../src/client/index.js'
import { OneNode, until } from './one-node.js'
import { PLAIN_CLAIM } from './plain.js'
import { acquire, helloOf, newKey, RawStream, tokenOf } from './raw-stream.js'

/** A gRPC message of no bytes: not compressed, of length 0. */
const EMPTY_MESSAGE = Buffer.alloc(5)

describe('an orderly stop', () => {
  let node: OneNode
  beforeEach(async () => {
    node = await OneNode.start()
  })
  afterEach(() => node.stop())

  it('tells STOPPING on every stream, and by every call under way', async () => {
    const held = await RawStream.attach(node.client)
    tokenOf(await held.answerTo(1, 1, acquire('a')))
    const silent = new RawStream(node.client)
    const session = await node.openSession()
    const calls = [1, 2].map((slot) =>
      node.refusalOf('acquire', { ...PLAIN_CLAIM, session, slot, seq: 1, names: ['a'] }),
    )
    await until(async () => (await node.call('getName', { name: 'a' })).name?.waiting === 2)
    await node.stopNode()
    for (const { status, code, message } of [
      await held.end(),
      await silent.end(),
      ...(await Promise.all(calls)),
    ]) {
      assert.deepEqual([status, code], ['UNAVAILABLE', 'STOPPING'])
      assert.match(message, /repeat the request at another node/)
    }
  })

  it('delivers the answers that came before it', async () => {
    const stream = await RawStream.attach(node.client)
    const requests = Array.from({ length: 1_000 }, (_, k) => ({
      slot: k + 1,
      seq: 1,
      operation: acquire(`${k}`),
    }))
    stream.send({ hello: undefined, requests })
    await until(async () => (await node.call('getStatus', {})).names === 1_000)
    await node.stopNode()
    assert.equal((await stream.end()).code, 'STOPPING')
    assert.equal(stream.frames.flatMap(({ answers }) => answers).length, 1_000)
  })

  it('leaves nothing listening, and lets go of clients that do not go', async () => {
    const [host, port] = node.address.split(':')
    const silent = dial(Number(port), host).on('error', () => undefined)
    const watching = http2.connect(`http://${node.address}`).on('error', () => undefined)
    // gRPC clients leave when they are asked to; this one goes on watching.
    const watch = watching.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Watch',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    watch.on('error', () => undefined).end(EMPTY_MESSAGE)
    await Promise.all([once(silent, 'connect'), once(watch, 'data')])
    silent.resume()
    await node.stopNode()
    await until(() => silent.destroyed && watching.destroyed, 3_000)
    const refused = dial(Number(port), host)
    await assert.rejects(once(refused, 'connect'), { code: 'ECONNREFUSED' })
  })

  it('refuses who comes while it goes on', async () => {
    const before = await RawStream.attach(node.client)
    const stopping = node.stopNode()
    const late = new RawStream(node.client)
    late.send(helloOf({ id: 0, key: newKey() }))
    assert.equal((await before.end()).code, 'STOPPING')
    assert.equal((await late.end()).status, 'UNAVAILABLE')
    await stopping
  })

  it('makes the client look for another node, and loses no lock of the session meanwhile', async () => {
    await using keeper = await connect(node.address, { ttlMs: 1_000 })
    await using lock = await keeper.lock('a')
    await node.stopNode()
    await until(() => keeper.session.address === undefined)
    assert.ok(lock.state === 'held' || lock.state === 'unsure')
    assert.equal(lock.signal.aborted, false)
  })
})
