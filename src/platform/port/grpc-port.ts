import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket, Server as TcpServer } from 'node:net'
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerMethodDefinition,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { systemClock } from '../clock.js'
import { WorkQueue } from '../work-queue.js'
import { keyOf, type PortConnection } from './connection.js'
import { Connections, type ConnectionsOptions } from './connections.js'
import { type OnStream, takeStreams } from './internals.js'
import type { PortFigures } from './limits.js'
import { listenAt } from './listen.js'
import { MeteredCall } from './metered-call.js'

export interface GrpcPortOptions extends ConnectionsOptions {
  readonly server: ServerOptions
}

const ENCODING = 'grpc-encoding'
/** Beyond the calls that one connection may have: those that are refused until they have heard it. */
const REFUSALS_PER_CONNECTION = 64

/**
 * A gRPC server, and the sockets that it listens with: these are ours, so that each connection is counted, bounded and closed
 * here before HTTP/2 sees it. They stay as they are, and what has been let in costs nothing more.
 */
export class GrpcPort {
  /** For services that come with their own way to be added. */
  readonly server: Server
  readonly connections: Connections
  readonly #options: GrpcPortOptions
  readonly #injector: ConnectionInjector
  readonly #ofSession = new WeakMap<ServerHttp2Session, PortConnection>()
  /** Calls that have yet to begin, those of each connection in its turn. */
  readonly #beginnings = new WorkQueue(systemClock)
  readonly #begin: OnStream
  #beginning: { readonly stream: ServerHttp2Stream; readonly connection: PortConnection } | undefined
  #listening: readonly TcpServer[] = []

  constructor(options: GrpcPortOptions) {
    this.#options = options
    this.connections = new Connections(options)
    this.server = new Server({
      ...options.server,
      'grpc.max_concurrent_streams': options.limits.callsPerConnectionMax + REFUSALS_PER_CONNECTION,
      interceptors: [(method, call) => this.#intercept(method, call)],
    })
    this.#injector = this.server.createConnectionInjector(ServerCredentials.createInsecure())
    this.#begin = takeStreams(this.server, (stream, headers) => this.#take(stream, headers))
  }

  get figures(): PortFigures {
    return this.connections.figures
  }

  addService(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.server.addService(service, implementation)
  }

  /** Rejects with a `ListenError`. */
  async listen(address: string): Promise<void> {
    this.#listening = await listenAt(address, this.#options.whom, (socket) => this.#accept(socket))
  }

  /** Lets calls end by themselves. Resolves when all have; `close` cuts the others off. */
  drain(): Promise<void> {
    this.#stopListening()
    return new Promise((resolve) => this.server.tryShutdown(() => resolve()))
  }

  close(): void {
    this.#stopListening()
    this.server.forceShutdown()
    this.connections.close()
  }

  #stopListening(): void {
    for (const server of this.#listening) server.close()
    this.#listening = []
  }

  #accept(socket: Socket): void {
    // Its end says the same.
    socket.on('error', () => undefined)
    if (this.connections.admit(socket)) this.#injector.injectConnection(socket)
    else socket.destroy()
  }

  /** gRPC begins it at the end of this turn, or in a later one. */
  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // gRPC listens for errors when it begins the call; its end says the same.
    stream.on('error', () => undefined)
    const connection = this.#connectionOf(stream.session as ServerHttp2Session | undefined)
    if (connection === undefined) return stream.close()
    // What a compressed message becomes is known too late. gRPC answers that it does not know this encoding.
    if ((headers[ENCODING] ?? 'identity') !== 'identity')
      headers[ENCODING] = `${headers[ENCODING]} (not taken here)`
    this.#beginnings.add(connection, () => {
      if (stream.closed || stream.destroyed) {
        this.connections.gaveUp(connection)
        return false
      }
      this.#beginning = { stream, connection }
      this.#begin(stream, headers)
      // There is no such method: gRPC has said so, and does not wait for the client's end.
      if (this.#beginning !== undefined) stream.resume().close(constants.NGHTTP2_NO_ERROR)
      this.#beginning = undefined
      return false
    })
  }

  #intercept(
    method: ServerMethodDefinition<unknown, unknown>,
    base: ServerInterceptingCallInterface,
  ): ServerInterceptingCall {
    if (this.#beginning === undefined) throw new Error('a call begins by itself')
    const { stream, connection } = this.#beginning
    this.#beginning = undefined
    const call = new MeteredCall(base, this.connections, {
      stream,
      connection,
      isStreaming: method.requestStream,
      messageBytesMax: this.#options.limits.messageBytesMax(method.path),
      refusal: this.connections.refusalOf(connection),
    })
    this.connections.opened(connection, call)
    stream.once('close', () => this.connections.ended(connection, call))
    return call
  }

  #connectionOf(session: ServerHttp2Session | undefined): PortConnection | undefined {
    if (session === undefined || session.destroyed) return undefined
    const known = this.#ofSession.get(session)
    if (known !== undefined) return known
    const connection = this.connections.get(keyOf(session.socket.remoteAddress, session.socket.remotePort))
    if (connection === undefined) return undefined
    connection.session = session
    this.#ofSession.set(session, connection)
    return connection
  }
}
