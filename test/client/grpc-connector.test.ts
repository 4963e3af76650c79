import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { RefusedError, UnreachableError } from '../../src/client/errors.js'
import { GrpcConnector } from '../../src/client/grpc-connector.js'
import type { Problem } from '../../src/client/ports.js'
import {
  type ClientFrame,
  type GetNameRequest,
  type GetNameResponse,
  LockkeeperService,
  type ServerFrame,
} from '../../src/protocol/lockkeeper.js'
import { until } from '../api/one-node.js'
import { NAME_SHOWN } from '../api/plain.js'

type Stream = ServerDuplexStream<ClientFrame, ServerFrame>

const HELLO: ClientFrame = {
  hello: { protocolVersion: 1, clusterId: '', session: { id: 0, key: 5 }, ttlMs: 1_000, label: 'me' },
  requests: [],
}

function refusal(code: number, details: string, name: string) {
  const metadata = new Metadata()
  metadata.set('lockkeeper-code', name)
  return Object.assign(new Error(details), { code, details, metadata })
}

describe('the gRPC connector', () => {
  const server = new Server()
  let address = ''
  let onStream: (stream: Stream) => void = () => undefined

  before(async () => {
    server.addService(LockkeeperService, {
      attach: (stream: Stream) => {
        stream.on('error', () => undefined)
        onStream(stream)
      },
      getName: (
        call: ServerUnaryCall<GetNameRequest, GetNameResponse>,
        callback: sendUnaryData<GetNameResponse>,
      ) => {
        if (call.request.name === 'bad') callback(refusal(status.INVALID_ARGUMENT, 'no such name', 'INVALID'))
        else callback(null, { name: { ...NAME_SHOWN, name: call.request.name, waiting: 3 } })
      },
    })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
    address = `127.0.0.1:${port}`
  })

  after(() => server.forceShutdown())

  /** Attaches and says hello; resolves with how it ended. */
  async function attachUntilClosed(to: string): Promise<{ frames: ServerFrame[]; problem: Problem }> {
    const connector = new GrpcConnector()
    const frames: ServerFrame[] = []
    const problem = await new Promise<Problem>((onClosed) => {
      connector.attach(to, { onFrame: (frame) => frames.push(frame), onClosed }).send(HELLO)
    })
    connector.close()
    return { frames, problem }
  }

  it('carries frames both ways, and tells when the node ends the stream', async () => {
    onStream = async (stream) => {
      const [frame]: ClientFrame[] = await once(stream, 'data')
      assert.equal(frame?.hello?.session?.key, 5)
      stream.write({
        welcome: undefined,
        answers: [],
        topology: undefined,
        sessionEnded: { reason: 'EXPIRED' },
        notices: [],
      })
      stream.end()
    }
    const { frames, problem } = await attachUntilClosed(address)
    assert.equal(frames[0]?.sessionEnded?.reason, 'EXPIRED')
    assert.match(problem.message, /ended the stream/)
  })

  it('turns a status with a code into a refusal', async () => {
    onStream = (stream) => {
      stream.emit('error', refusal(status.NOT_FOUND, 'expired', 'SESSION_EXPIRED'))
    }
    const { problem } = await attachUntilClosed(address)
    assert.ok(problem instanceof RefusedError)
    assert.deepEqual([problem.code, problem.message], ['SESSION_EXPIRED', 'expired'])
  })

  it('says which node could not be reached', async () => {
    const { problem } = await attachUntilClosed('127.0.0.1:1')
    assert.ok(problem instanceof UnreachableError)
    assert.match(problem.message, /^UNAVAILABLE: .*ECONNREFUSED 127.0.0.1:1$/, 'and no more than that')
  })

  it('asks questions, and tells refusals from silence', async () => {
    const connector = new GrpcConnector()
    const answer = await connector.call(address, 'getName', { name: 'a' }, 5_000)
    assert.equal(answer.name?.waiting, 3)
    await assert.rejects(connector.call(address, 'getName', { name: 'bad' }, 5_000), { code: 'INVALID' })
    await assert.rejects(connector.call('127.0.0.1:1', 'getName', { name: 'a' }, 5_000), UnreachableError)
    connector.close()
  })

  it('shares connections: many clients of one process that turn to a node do not connect to it one by one', async () => {
    const peers = new Set<string>()
    let attached = 0
    onStream = (stream) => {
      peers.add(stream.getPeer())
      attached++
    }
    const connectors = Array.from({ length: 100 }, () => new GrpcConnector())
    for (const connector of connectors)
      connector.attach(address, { onFrame: () => undefined, onClosed: () => undefined }).send(HELLO)
    await until(() => attached === connectors.length)
    assert.equal(peers.size, 2)

    connectors[0]!.close()
    const answer = await connectors[1]!.call(address, 'getName', { name: 'a' }, 5_000)
    assert.equal(answer.name?.name, 'a', 'one that is closed leaves the others theirs')
    for (const connector of connectors) connector.close()
  })
})
