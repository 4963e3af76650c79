import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import {
  type BackupPart,
  type ClientFrame,
  LockkeeperClient,
  type ServerFrame,
  type WatchPart,
  type WatchRequest,
} from '../protocol/lockkeeper.js'
import { type Channel, channels } from './channels.js'
import { RefusedError, UnreachableError } from './errors.js'
import type { Connector, Link, LinkHandlers, Operations, Problem, Reads } from './ports.js'
import { toRefusalName } from './refusals.js'

/** A frozen node accepts a connection and never says a word. A node that lives makes a checkpoint before the first part. */
const BACKUP_PART_MS_MAX = 15_000

/** What gRPC ends its message with when it has nothing more to note. */
const EMPTY_NOTE = /\.? Resolution note: *$/

interface Method<Request, Response> {
  readonly path: string
  readonly requestSerialize: (request: Request) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

interface Calls extends Reads, Operations {}

const METHODS: { [M in keyof Calls]: Method<Calls[M]['request'], Calls[M]['response']> } =
  LockkeeperClient.service

interface Cancellable {
  cancel(): void
}

/** The real network. */
export class GrpcConnector implements Connector {
  /** What is open, and on what. */
  readonly #open = new Map<Cancellable, Channel>()

  attach(address: string, handlers: LinkHandlers): Link {
    const link: GrpcLink = this.#begin(
      address,
      (client) => new GrpcLink(client.attach(), handlers, () => this.#end(link)),
    )
    return link
  }

  /** Also what an operator asks. */
  call<M extends keyof Calls>(
    address: string,
    method: M,
    request: Calls[M]['request'],
    timeoutMs: number,
  ): Promise<Calls[M]['response']> {
    const { path, requestSerialize, responseDeserialize } = METHODS[method]
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs }
      const done = (error: ServiceError | null, response?: Calls[M]['response']): void => {
        this.#end(call)
        if (error === null && response !== undefined) resolve(response)
        else reject(error === null ? new UnreachableError('the node sent no answer') : toProblem(error))
      }
      const call = this.#begin(address, (client) =>
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options, done),
      )
    })
  }

  async *watch(
    address: string,
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchPart, void, undefined> {
    signal.throwIfAborted()
    const call = this.#begin(address, (client) => client.watch(request))
    const stop = (): void => call.cancel()
    signal.addEventListener('abort', stop)
    try {
      yield* this.#parts<WatchPart>(call)
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  /** The parts of a backup of one node, as fast as they are asked for. Rejects with a `Problem`, also if none comes for long. */
  async *backup(address: string): AsyncGenerator<BackupPart, void, undefined> {
    const call = this.#begin(address, (client) => client.backup({}))
    const silent = new UnreachableError(`no part of the backup came within ${BACKUP_PART_MS_MAX} ms`)
    const patience = setTimeout(() => call.destroy(silent), BACKUP_PART_MS_MAX)
    try {
      for await (const part of this.#parts<BackupPart>(call)) {
        yield part
        patience.refresh()
      }
    } finally {
      clearTimeout(patience)
    }
  }

  /** What a call streams. Throws a `Problem`. */
  async *#parts<Part>(call: ClientReadableStream<Part>): AsyncGenerator<Part, void, undefined> {
    try {
      for await (const part of call as AsyncIterable<Part>) yield part
    } catch (error) {
      throw error instanceof UnreachableError ? error : toProblem(error as ServiceError)
    } finally {
      call.cancel()
      this.#end(call)
    }
  }

  close(): void {
    for (const call of [...this.#open.keys()]) {
      call.cancel()
      this.#end(call)
    }
  }

  #begin<Call extends Cancellable>(address: string, begin: (client: LockkeeperClient) => Call): Call {
    const channel = channels.use(address)
    const call = begin(channel.client)
    this.#open.set(call, channel)
    return call
  }

  #end(call: Cancellable): void {
    const channel = this.#open.get(call)
    this.#open.delete(call)
    if (channel !== undefined) channels.unuse(channel)
  }
}

class GrpcLink implements Link, Cancellable {
  readonly #stream: ClientDuplexStream<ClientFrame, ServerFrame>
  readonly #letGo: () => void
  #open = true

  constructor(
    stream: ClientDuplexStream<ClientFrame, ServerFrame>,
    handlers: LinkHandlers,
    letGo: () => void,
  ) {
    this.#stream = stream
    this.#letGo = letGo
    stream.on('data', (frame: ServerFrame) => {
      if (this.#open) handlers.onFrame(frame)
    })
    // The status comes in any case, after an error too, and has all that the error has.
    stream.on('error', () => undefined)
    stream.on('status', (status: StatusObject) => {
      if (this.#end()) handlers.onClosed(toProblem(status))
    })
  }

  send(frame: ClientFrame): void {
    if (this.#open) this.#stream.write(frame)
  }

  close(): void {
    if (this.#end()) this.#stream.cancel()
  }

  cancel(): void {
    this.close()
  }

  #end(): boolean {
    if (!this.#open) return false
    this.#open = false
    this.#letGo()
    return true
  }
}

function toProblem({
  code,
  details,
  metadata,
}: {
  code: number
  details: string
  metadata: Metadata
}): Problem {
  const refusal = toRefusalName(metadata.get('lockkeeper-code')[0]?.toString())
  if (refusal !== undefined) return new RefusedError(refusal, details)
  if (code === status.OK) return new UnreachableError('the node ended the stream')
  return new UnreachableError(`${status[code] ?? code}: ${details.replace(EMPTY_NOTE, '')}`)
}
