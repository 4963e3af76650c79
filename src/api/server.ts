import { fileURLToPath } from 'node:url'
import type {
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import { LIMITS } from '../machine/language/limits.js'
import { GrpcPort, type PortFigures } from '../platform/port/index.js'
import { type BackupPart, type GetStatusResponse, LockkeeperService } from '../protocol/lockkeeper.js'
import { Backups } from './backups.js'
import { type Caller, Calls } from './calls.js'
import type { Door } from './door.js'
import { type AttachCall, GrpcWire, grpcError } from './grpc-wire.js'
import { Inspection } from './inspection.js'
import { MALFORMED, type Malformed, malformedRefusal, tolerant } from './malformed.js'
import { Operations } from './operations.js'
import { clientPortLimits } from './port-limits.js'
import { CALLER_LEFT, internalRefusal, Refusal } from './refusal.js'
import { StateReads } from './state-reads.js'
import { Watches } from './watches.js'

const PROTO = fileURLToPath(new URL('../../../src/api/lockkeeper.proto', import.meta.url))
const SERVICE_NAMES = ['', 'lockkeeper.v1.Lockkeeper']
/** Between the end of the streams and of the connections: what was answered last is still delivered. */
const DRAIN_MS = 1_000

const OPTIONS = {
  'grpc.max_receive_message_length': LIMITS.frameBytesMax,
  // Finds the client whose packets vanish without a word, and frees what it costs.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
}

const asItIs = (bytes: Buffer): Buffer => bytes
/** What may be large is decoded and encoded elsewhere, a bit at a time. */
const ENCODED_SERVICE = {
  ...LockkeeperService,
  attach: { ...LockkeeperService.attach, requestDeserialize: asItIs, responseSerialize: asItIs },
  listNames: { ...LockkeeperService.listNames, responseSerialize: asItIs },
  listClaims: { ...LockkeeperService.listClaims, responseSerialize: asItIs },
  listSessions: { ...LockkeeperService.listSessions, responseSerialize: asItIs },
  watch: { ...LockkeeperService.watch, responseSerialize: asItIs },
}

type UnaryCall<Request> = ServerUnaryCall<Request | Malformed, unknown>
type StreamCall<Request, Part> = ServerWritableStream<Request | Malformed, Part>
type Handle<Request> = (request: Request, caller: Caller) => unknown
/** Each part is asked for when the one before has been taken. */
type Send<Request, Part> = (
  request: Request,
  caller: Caller,
  put: (part: Part) => Promise<void>,
) => Promise<void>

/** What the process may have open, and who else has some of it. */
export interface Sockets {
  readonly descriptorsMax: number
  /** Of clients. */
  readonly connectionsMax: number
  /** Of the port for peers. */
  readonly peerFigures: () => PortFigures | undefined
}

/** The gRPC server for clients: the contract, the standard health service, and reflection for tools. */
export class ApiServer {
  readonly #door: Door
  readonly #sockets: Sockets
  readonly #port: GrpcPort
  readonly #health = new HealthImplementation()

  /** `randomKey` gives secrets from 1 to 2^53 - 1. */
  constructor(door: Door, sockets: Sockets, randomKey: () => number) {
    this.#door = door
    this.#sockets = sockets
    this.#port = new GrpcPort({
      server: OPTIONS,
      limits: clientPortLimits(sockets.connectionsMax),
      refused: (code, reason) => grpcError(new Refusal(code, reason)),
      clock: door.parts.clock,
      logger: door.parts.logger,
      whom: 'clients',
    })
    this.setServing(false)
    this.#port.addService(tolerant(ENCODED_SERVICE), this.#implementation(randomKey))
    this.#health.addToServer(this.#port.server)
    new ReflectionService(loadSync(PROTO)).addToServer(this.#port.server)
  }

  /** Rejects with a `ListenError`. */
  listen(address: string): Promise<void> {
    return this.#port.listen(address)
  }

  /** What the health service says: whether requests have a chance, which takes a leader. */
  setServing(serving: boolean): void {
    for (const name of SERVICE_NAMES) this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING')
  }

  /** Sends clients away with STOPPING, and lets go of those who do not go. */
  async stop(): Promise<void> {
    this.setServing(false)
    this.#door.stop()
    await new Promise<void>((resolve) => {
      const timer = this.#door.parts.clock.after(DRAIN_MS, () => {
        this.#port.close()
        resolve()
      })
      void this.#port.drain().then(() => {
        timer.cancel()
        this.#port.close()
        resolve()
      })
    })
  }

  #implementation(randomKey: () => number): UntypedServiceImplementation {
    const calls = new Calls(this.#door, randomKey)
    const reads = new StateReads(this.#door)
    const inspection = new Inspection(this.#door, reads)
    const backups = new Backups(this.#door, reads)
    const watches = new Watches(this.#door, reads)
    const operations = new Operations(this.#door)
    return {
      attach: (call: AttachCall) => this.#attach(call),
      openSession: this.#unary(calls.openSession.bind(calls)),
      keepAlive: this.#unary(calls.keepAlive.bind(calls)),
      closeSession: this.#unary(calls.closeSession.bind(calls)),
      acquire: this.#unary(calls.acquire.bind(calls)),
      release: this.#unary(calls.release.bind(calls)),
      cancel: this.#unary(calls.cancel.bind(calls)),
      update: this.#unary(calls.update.bind(calls)),
      downgrade: this.#unary(calls.downgrade.bind(calls)),
      forceRelease: this.#unary(calls.forceRelease.bind(calls)),
      requestRelease: this.#unary(calls.requestRelease.bind(calls)),
      suspend: this.#unary(calls.suspend.bind(calls)),
      resume: this.#unary(calls.resume.bind(calls)),
      getName: this.#unary(inspection.getName.bind(inspection)),
      listNames: this.#unary(inspection.listNames.bind(inspection)),
      listClaims: this.#unary(inspection.listClaims.bind(inspection)),
      listSessions: this.#unary(inspection.listSessions.bind(inspection)),
      getStatus: this.#unary(() => ({ ...inspection.getStatus(), ...this.#socketStatus() })),
      addMember: this.#unary(operations.addMember.bind(operations)),
      promoteMember: this.#unary(operations.promoteMember.bind(operations)),
      removeMember: this.#unary(operations.removeMember.bind(operations)),
      transferLeadership: this.#unary(operations.transferLeadership.bind(operations)),
      listMembers: this.#unary(operations.listMembers.bind(operations)),
      watch: this.#stream(watches.send.bind(watches)),
      backup: this.#stream((_, caller, put: (part: BackupPart) => Promise<void>) =>
        backups.send(caller, put),
      ),
    }
  }

  #socketStatus(): Pick<GetStatusResponse, 'clientPort' | 'peerPort' | 'descriptorsMax'> {
    const { descriptorsMax, peerFigures } = this.#sockets
    return { clientPort: this.#port.figures, peerPort: peerFigures(), descriptorsMax }
  }

  #stream<Request, Part>(send: Send<Request, Part>): (call: StreamCall<Request, Part>) => void {
    return (call) => void this.#sendAll(send, call)
  }

  /** Rejects never. */
  async #sendAll<Request, Part>(send: Send<Request, Part>, call: StreamCall<Request, Part>): Promise<void> {
    const put = (part: Part): Promise<void> =>
      new Promise((resolve, reject) => {
        call.write(part, (error: unknown) => {
          if (error) reject(CALLER_LEFT)
          else resolve()
        })
      })
    try {
      if (call.request === MALFORMED) throw malformedRefusal()
      await send(call.request, callerOf(call), put)
      call.end()
    } catch (error) {
      if (error !== CALLER_LEFT) call.emit('error', grpcError(this.#refusalOf(error)))
    }
  }

  #attach(call: AttachCall): void {
    const wire = new GrpcWire(call)
    const stream = this.#door.attach(wire)
    call.on('data', (frame) => stream.receive(frame))
    call.on('end', () => {
      stream.closed()
      wire.end()
    })
    call.on('cancelled', () => stream.closed())
    call.on('close', () => stream.closed())
  }

  #unary<Request>(
    handle: Handle<Request>,
  ): (call: UnaryCall<Request>, callback: sendUnaryData<unknown>) => void {
    return (call, callback) => {
      this.#answer(handle, call).then(
        (response) => callback(null, response),
        (error: unknown) => {
          if (error !== CALLER_LEFT) callback(grpcError(this.#refusalOf(error)))
        },
      )
    }
  }

  async #answer<Request>(handle: Handle<Request>, call: UnaryCall<Request>): Promise<unknown> {
    if (call.request === MALFORMED) throw malformedRefusal()
    return await handle(call.request, callerOf(call))
  }

  #refusalOf(error: unknown): Refusal {
    return error instanceof Refusal ? error : internalRefusal(this.#door.parts.logger, error)
  }
}

function callerOf(call: Pick<UnaryCall<unknown>, 'getPeer' | 'getDeadline' | 'once'>): Caller {
  return {
    connection: call.getPeer(),
    remainingMs: Number(call.getDeadline()) - Date.now(),
    onGone: (action) => call.once('cancelled', action),
  }
}
