import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { takeStreams } from '../../src/platform/port/internals.js'

describe('what gRPC and Node.js do not show', () => {
  it('is there: the HTTP/2 server of a gRPC server, with one listener for streams', () => {
    const server = new Server()
    assert.throws(() => takeStreams(server, () => undefined), /does not show its HTTP\/2 server/)
    server.createConnectionInjector(ServerCredentials.createInsecure())
    assert.equal(typeof takeStreams(server, () => undefined), 'function')
    server.forceShutdown()
  })
})
