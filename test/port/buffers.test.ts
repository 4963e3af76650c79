import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { FRAME, frame, RawHttp2, whole } from '../../scripts/attack/raw-http2.js'
import { until } from '../api/one-node.js'
import { type RawClient, TestPort } from './test-port.js'

const TIMEOUT = { timeout: 20_000 }
const ports: TestPort[] = []

async function portWith(limits: Parameters<typeof TestPort.start>[0] = {}): Promise<TestPort> {
  const port = await TestPort.start(limits)
  ports.push(port)
  return port
}

afterEach(async () => {
  await Promise.all(ports.splice(0).map((port) => port.stop()))
})

async function isServed(client: RawClient): Promise<void> {
  assert.match(await client.call('Bytes').send(Buffer.from('1')).end().read().status, /^OK/)
}

describe('messages that are not complete', TIMEOUT, () => {
  it('are refused as soon as they are too large', async () => {
    const client = await (await portWith()).client()
    const call = client.call('Bytes').send(Buffer.alloc(600_000), 1_000_000).read()
    assert.match(
      await call.status,
      /^UNAVAILABLE LIMIT: a message of \d+ bytes or more, and 500000 is the limit/,
    )
  })

  it('have a smaller limit before the first is complete, if the service says so', async () => {
    const port = await portWith({ messageBytesMax: () => ({ first: 100, later: 200_000 }) })
    const client = await port.client()
    const early = client.call('Listen').send(Buffer.alloc(100_000)).read()
    assert.match(await early.status, /LIMIT: a message of \d+ bytes or more, and 100 is the limit here/)
    const later = client.call('Listen').send(Buffer.alloc(50)).read()
    later.stream.once('data', () => later.send(Buffer.alloc(150_000)).end())
    assert.match(await later.status, /^OK/)
  })

  it('are given up after a while, and so are calls without a request', async () => {
    const port = await portWith()
    const client = await port.client()
    await isServed(client)
    const calls = [
      client.call('Bytes').send(Buffer.alloc(100), 200).read(),
      client.call('Bytes').read(),
      // The request is there, and not its end.
      client.call('Bytes').send(Buffer.from('1')).read(),
      client.call('Listen').send(Buffer.alloc(100)).send(Buffer.alloc(100), 200).read(),
    ]
    await until(() => port.figures.calls === calls.length && port.figures.bufferedBytes >= 200)
    await port.clock.pass(12_000)
    for (const call of calls)
      assert.match(await call.status, /^DEADLINE_EXCEEDED the request was not complete/)
    // Nor do they wait for their clients to end them.
    await port.clock.pass(4_000)
    await until(() => port.figures.calls === 0)
    assert.equal(port.figures.bufferedBytes, 0)
  })

  it('are waited for no longer when they are complete', async () => {
    const port = await portWith()
    const client = await port.client()
    const call = client.call('Listen').send(Buffer.alloc(1_000)).send(Buffer.alloc(40_000)).read()
    client.call('Wait').send(Buffer.from('1')).end()
    await until(() => port.figures.calls === 2 && port.figures.bufferedBytes < 1_000)
    await port.clock.pass(60_000)
    assert.match(await call.end().status, /^OK/)
    assert.equal(port.figures.calls, 1)
  })

  it('of one connection are limited all together: it is closed', async () => {
    const port = await portWith()
    const [greedy, other] = [await port.client(), await port.client()]
    for (let k = 0; k < 10; k++) greedy.call('Bytes').send(Buffer.alloc(150_000), 400_000)
    await greedy.closed
    await isServed(other)
    await until(() => port.figures.bufferedBytes === 0)
    await port.clock.pass(1_000)
    assert.match(port.logged.join(), /parts of messages of more than 1000000 bytes/)
  })

  it('of all connections are limited: the one with most of them is closed', async () => {
    const port = await portWith({ bufferedBytesMax: 1_000_000 })
    const [small, large] = [await port.client(), await port.client()]
    const calls = [1, 2].map(() => small.call('Bytes').send(Buffer.alloc(150_000), 150_001))
    await until(() => port.figures.bufferedBytes > 300_000)
    for (let k = 0; k < 5; k++) large.call('Bytes').send(Buffer.alloc(180_000), 400_000)
    await large.closed
    for (const call of calls) call.stream.write(Buffer.from('1'))
    assert.equal(small.isClosed, false)
    await until(() => port.figures.bufferedBytes < 2_000)
  })

  it('cost more than their bytes if they come one by one', async () => {
    const port = await portWith()
    const client = await port.client()
    const call = client.call('Bytes').send(Buffer.alloc(0), 400_000)
    for (let k = 0; k < 100; k++) {
      const before = port.figures.bufferedBytes
      call.stream.write(Buffer.alloc(1))
      await until(() => port.figures.bufferedBytes > before)
    }
    assert.ok(port.figures.bufferedBytes > 10_000)
  })

  it('in thousands of pieces are not waited for: the connection is closed', async () => {
    const port = await portWith()
    const raw = await RawHttp2.open(port.address)
    raw.write(raw.call('/test.Port/Bytes'), frame(FRAME.data, 0, raw.stream, whole(Buffer.alloc(0), 400_000)))
    raw.write(...Array.from({ length: 2_000 }, () => frame(FRAME.data, 0, raw.stream, Buffer.alloc(1))))
    assert.equal(await raw.closed(10_000), true)
    await port.clock.pass(1_000)
    assert.match(port.logged.join(), /a message in 1025 pieces of less than 128 bytes/)
  })

  it('are refused if they are compressed, for nobody knows what they become', async () => {
    const client = await (await portWith()).client()
    const call = client
      .call('Bytes', { 'grpc-encoding': 'gzip' })
      .send(gzipSync(Buffer.from('1')), undefined, 1)
    assert.match(await call.end().read().status, /^UNIMPLEMENTED .*gzip/)
    await isServed(client)
  })
})

describe('headers', TIMEOUT, () => {
  it('are counted, and refused if they are too large', async () => {
    const port = await portWith()
    const client = await port.client()
    client
      .call('Wait', { 'x-header': 'x'.repeat(5_000) })
      .send(Buffer.from('1'))
      .end()
    await until(() => port.figures.bufferedBytes >= 5_000)
    const call = client.call('Wait', { 'x-header': 'x'.repeat(10_000) }).read()
    assert.match(await call.status, /LIMIT: the headers of \d+ bytes or more, and 8192 is the limit here/)
  })
})

describe('replies that nobody takes', TIMEOUT, () => {
  it('are limited for each connection: then it has BUSY for a reply, and others have theirs', async () => {
    const port = await portWith()
    const [slow, other] = [await port.client(), await port.client()]
    const calls = Array.from({ length: 10 }, () => slow.call('Bytes').send(Buffer.from('400000')).end())
    await until(() => port.figures.callsRefused === 7)
    assert.ok(port.figures.bufferedBytes < 1_300_000, String(port.figures.bufferedBytes))
    const late = await slow.call('Bytes').send(Buffer.from('1')).end().status
    assert.match(late, /^UNAVAILABLE BUSY: \d+ bytes of replies wait on this connection; read faster/)
    await isServed(other)
    const statuses = await Promise.all(calls.map((call) => call.read().status))
    assert.equal(statuses.filter((status) => status.startsWith('OK')).length, 3)
    await isServed(slow)
    await until(() => port.figures.bufferedBytes === 0)
  })

  it('do not wait for ever: the connection is closed', async () => {
    const port = await portWith()
    const [slow, other] = [await port.client(), await port.client()]
    await isServed(other)
    slow.call('Bytes').send(Buffer.from('400000')).end()
    await until(() => port.figures.bufferedBytes > 300_000)
    await Promise.all([slow.closed, port.clock.pass(35_000)])
    assert.equal(other.isClosed, false)
    assert.match(port.logged.join(), /no reply taken for 30000 ms/)
  })

  it('are limited for all connections: the one with most of them is closed', async () => {
    const port = await portWith({ bufferedBytesMax: 1_500_000 })
    const clients = [await port.client(), await port.client()]
    clients[0]!.call('Bytes').send(Buffer.from('400000')).end()
    await until(() => port.figures.bufferedBytes > 300_000)
    for (let k = 0; k < 3; k++) clients[1]!.call('Bytes').send(Buffer.from('450000')).end()
    await clients[1]!.closed
    assert.equal(clients[0]!.isClosed, false)
  })
})
