import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { readingOf, takeStreams } from '../../src/platform/port/internals.js'

describe('what gRPC and Node.js do not show', () => {
  it('is there: the HTTP/2 server of a gRPC server, with one listener for streams', () => {
    const server = new Server()
    assert.throws(() => takeStreams(server, () => undefined), /does not show its HTTP\/2 server/)
    server.createConnectionInjector(ServerCredentials.createInsecure())
    assert.equal(typeof takeStreams(server, () => undefined), 'function')
    server.forceShutdown()
  })

  it('is there: how to stop reading a socket, and to go on', { timeout: 10_000 }, async () => {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const client = connect((listening.address() as { port: number }).port, '127.0.0.1')
    const [accepted] = (await once(listening, 'connection')) as [Socket]
    const reading = readingOf(accepted)
    reading.stop()
    let hasCome = false
    const come = once(accepted, 'data').then(() => {
      hasCome = true
    })
    reading.stop()
    client.write('x')
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    assert.equal(hasCome, false)
    reading.start()
    await come
    client.destroy()
    accepted.destroy()
    listening.close()
  })
})
