import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { FRAME, frame, RawHttp2 } from '../../scripts/attack/raw-http2.js'
import { until } from '../api/one-node.js'
import { TestPort } from './test-port.js'

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

describe('connections', TIMEOUT, () => {
  it('on which nobody says anything are closed', async () => {
    const port = await portWith()
    const silent = await port.silent()
    const client = await port.client()
    assert.match(await client.call('Bytes').send(Buffer.from('1')).end().read().status, /^OK/)
    await until(() => port.figures.connections === 2)
    await Promise.all([once(silent, 'close'), port.clock.pass(12_000)])
    assert.equal(port.figures.connections, 1)
    assert.equal(client.isClosed, false)
    assert.match(port.logged.join(), /"reason":"no request within 10000 ms","count":1/)
  })

  it('on which HTTP/2 is spoken and no request comes are closed as well', async () => {
    const port = await portWith()
    const client = await port.client()
    await Promise.all([client.closed, port.clock.pass(12_000)])
    assert.equal(port.figures.connections, 0)
  })

  it('without a call for long are ended in order, and stay while there is one', async () => {
    const port = await portWith()
    const [idle, waiting] = [await port.client(), await port.client()]
    for (const client of [idle, waiting])
      assert.match(await client.call('Bytes').send(Buffer.from('1')).end().read().status, /^OK/)
    const wait = waiting.call('Wait').send(Buffer.from('1')).end()
    await until(() => port.figures.calls === 1)
    await Promise.all([idle.closed, port.clock.pass(70_000)])
    assert.equal(waiting.isClosed, false)
    wait.stream.close()
  })

  it('that have asked for nothing make room for those that come, the oldest first', async () => {
    const port = await portWith({ connectionsMax: 3 })
    const silent = [await port.silent(), await port.silent(), await port.silent()]
    await until(() => port.figures.connections === 3)
    const gone = once(silent[0]!, 'close')
    const client = await port.client()
    await gone
    assert.match(await client.call('Bytes').send(Buffer.from('1')).end().read().status, /^OK/)
    assert.deepEqual(
      silent.map(({ closed }) => closed),
      [true, false, false],
    )
  })

  it('with calls are not given up for others: these are refused', async () => {
    const port = await portWith({ connectionsMax: 2 })
    for (const client of [await port.client(), await port.client()])
      client.call('Wait').send(Buffer.from('1')).end()
    await until(() => port.figures.calls === 2)
    const third = await port.silent()
    await once(third, 'close')
    assert.equal(port.figures.connectionsRefused, 1)
    await port.clock.pass(1_000)
    assert.match(port.logged.join(), /more than 2 connections/)
  })

  it('are limited for each address', async () => {
    const port = await portWith({ connectionsPerAddressMax: 1 })
    const client = await port.client()
    client.call('Wait').send(Buffer.from('1')).end()
    await until(() => port.figures.calls === 1)
    await once(await port.silent(), 'close')
    await port.clock.pass(1_000)
    assert.match(port.logged.join(), /more than 1 connections from one address/)
  })

  it('have so many calls at most, and more are refused with the reason', async () => {
    const port = await portWith({ callsPerConnectionMax: 2, callsMax: 3 })
    const [one, two] = [await port.client(), await port.client()]
    for (const client of [one, one, two]) client.call('Wait').send(Buffer.from('1')).end()
    await until(() => port.figures.calls === 3)
    const refusedHere = await one.call('Wait').send(Buffer.from('1')).end().status
    assert.match(refusedHere, /^UNAVAILABLE BUSY: 2 calls are in progress on this connection/)
    await until(() => port.figures.calls === 3)
    const refusedThere = await two.call('Wait').send(Buffer.from('1')).end().status
    assert.match(refusedThere, /^UNAVAILABLE BUSY: 3 calls are in progress here/)
    assert.equal(port.figures.callsRefused, 2)
  })

  it('that are closed leave nothing behind in the accounts', async () => {
    const port = await portWith()
    const client = await port.client()
    client.call('Wait', { 'x-header': 'x'.repeat(1_000) }).send(Buffer.alloc(100), 400_000)
    client.call('Wait').send(Buffer.from('1')).end()
    await until(() => port.figures.calls === 2 && port.figures.bufferedBytes > 1_000)
    client.destroy()
    await until(() => port.figures.connections === 0)
    assert.deepEqual([port.figures.calls, port.figures.bufferedBytes], [0, 0])
  })

  it('that reset their calls as fast as they make them are closed', async () => {
    const port = await portWith()
    const raw = await RawHttp2.open(port.address)
    const reset = Buffer.from([0, 0, 0, 8])
    for (let k = 0; k < 600; k++)
      raw.write(raw.call('/test.Port/Wait'), frame(FRAME.reset, 0, raw.stream, reset))
    assert.equal(await raw.closed(10_000), true)
    await port.clock.pass(1_000)
    assert.match(port.logged.join(), /more than 256 calls reset within a second/)
  })

  it('begin their calls in slices, however many come at once', async () => {
    const port = await portWith({ callsMax: 10_000, callsPerConnectionMax: 1_000 })
    const raw = await RawHttp2.open(port.address)
    let turn = 0
    const turns = setInterval(() => turn++, 0)
    const seenAt = new Map<number, number>()
    port.onWait = () => seenAt.set(turn, (seenAt.get(turn) ?? 0) + 1)
    raw.write(...Array.from({ length: 1_000 }, () => raw.call('/test.Port/Wait', Buffer.from('1'))))
    await until(() => port.figures.calls === 1_000)
    clearInterval(turns)
    assert.ok(Math.max(...seenAt.values()) <= 256, [...seenAt.values()].join())
    raw.close()
  })

  it('keep nothing for methods that there are not', async () => {
    const port = await portWith()
    const client = await port.client()
    const call = client.call('Nothing').send(Buffer.alloc(50_000)).read()
    assert.match(await call.status, /^UNIMPLEMENTED/)
    await until(() => call.stream.closed)
    assert.equal(port.figures.calls, 0)
  })
})
