import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { pino } from 'pino'
import { freeAddresses } from '../../scripts/cluster/free-ports.js'
import { GrpcPort, type PortFigures, type PortLimits } from '../../src/platform/port/index.js'
import { HandClock } from '../replica/hand-clock.js'

export const LIMITS: PortLimits = {
  connectionsMax: 8,
  connectionsPerAddressMax: 8,
  callsMax: 100,
  callsPerConnectionMax: 50,
  bufferedBytesMax: 4_000_000,
  bufferedBytesPerConnectionMax: 1_000_000,
  messageBytesMax: () => ({ first: 500_000, later: 500_000 }),
  silentMsMax: 10_000,
  idleMsMax: 60_000,
  messageMsMax: 10_000,
  untakenMsMax: 30_000,
}

const asItIs = (bytes: Buffer): Buffer => bytes
const method = (name: string, isStream: boolean) => ({
  path: `/test.Port/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
})

/** A port with limits of the test's own, on a clock that the test moves, and clients that know HTTP/2 and no manners. */
export class TestPort {
  readonly clock = new HandClock()
  readonly logged: string[] = []
  readonly address: string
  /** A call has begun that is never answered. */
  onWait: () => void = () => undefined
  readonly #port: GrpcPort
  readonly #closing: (() => void)[] = []

  private constructor(address: string, limits: Partial<PortLimits>) {
    this.address = address
    this.#port = new GrpcPort({
      server: {},
      limits: { ...LIMITS, ...limits },
      refused: (code, reason) => ({ code: status.UNAVAILABLE, details: `${code}: ${reason}` }),
      clock: this.clock,
      logger: pino({ level: 'info' }, { write: (line: string) => this.logged.push(line) }),
      whom: 'tests',
    })
    const service = {
      bytes: method('Bytes', false),
      wait: method('Wait', false),
      listen: method('Listen', true),
    }
    this.#port.addService(service, {
      /** As many bytes as are asked for. */
      bytes: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) =>
        reply(null, Buffer.alloc(Number(call.request.toString()))),
      wait: () => this.onWait(),
      /** Each message is answered by its length. */
      listen: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(Buffer.from(String(message.length))))
        call.on('error', () => undefined)
        call.on('end', () => call.end())
      },
    })
  }

  static async start(limits: Partial<PortLimits> = {}): Promise<TestPort> {
    const [address] = await freeAddresses(1)
    const port = new TestPort(address!, limits)
    await port.#port.listen(address!)
    return port
  }

  get figures(): PortFigures {
    return this.#port.figures
  }

  /** A connection that says nothing by itself. */
  async silent(): Promise<Socket> {
    const [host, port] = this.address.split(':')
    const socket = connectTcp(Number(port), host)
    socket.on('error', () => undefined)
    socket.resume()
    this.#closing.push(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }

  async client(): Promise<RawClient> {
    const session = connectHttp2(`http://${this.address}`)
    session.on('error', () => undefined)
    this.#closing.push(() => session.destroy())
    await once(session, 'remoteSettings')
    return new RawClient(session)
  }

  /** Not while a session reads, as when a test ends with what it read: Node.js 20 goes on with streams that it has freed. */
  async stop(): Promise<void> {
    await new Promise(setImmediate)
    for (const close of this.#closing) close()
    this.#port.close()
  }
}

export class RawClient {
  readonly closed: Promise<unknown>
  readonly #session: ClientHttp2Session

  constructor(session: ClientHttp2Session) {
    this.#session = session
    this.closed = once(session, 'close')
  }

  destroy(): void {
    this.#session.destroy()
  }

  get isClosed(): boolean {
    return this.#session.destroyed
  }

  call(name: string, headers: Record<string, string> = {}): RawCall {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/test.Port/${name}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    return new RawCall(stream)
  }
}

export class RawCall {
  readonly stream: ClientHttp2Stream
  /** gRPC's status and its text, or 'closed'. */
  readonly status: Promise<string>

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream
    stream.on('error', () => undefined)
    this.status = new Promise((resolve) => {
      const take = (headers: Record<string, unknown>): void => {
        if (headers['grpc-status'] === undefined) return
        const text = decodeURIComponent(String(headers['grpc-message'] ?? ''))
        resolve(`${status[Number(headers['grpc-status'])]} ${text}`)
      }
      stream.on('response', take)
      stream.on('trailers', take)
      stream.on('close', () => resolve('closed'))
    })
  }

  /** Reads the reply. */
  read(): this {
    this.stream.resume()
    return this
  }

  /** A message, or its first bytes if `bytes` is less than what it is said to be. */
  send(message: Buffer, saidBytes = message.length, flag = 0): this {
    const head = Buffer.from([flag, 0, 0, 0, 0])
    head.writeUInt32BE(saidBytes, 1)
    this.stream.write(Buffer.concat([head, message]))
    return this
  }

  end(): this {
    this.stream.end()
    return this
  }
}
