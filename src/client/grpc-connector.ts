import {
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
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
import { RefusedError, UnreachableError } from './errors.js'
import type { Connector, Link, LinkHandlers, Operations, Problem, Reads } from './ports.js'
import { toRefusalName } from './refusals.js'

const FRAME_BYTES_MAX = 4 * 1024 * 1024
const ANSWER_BYTES_MAX = 32 * 1024 * 1024
/** A frozen node accepts a connection and never says a word. A node that lives makes a checkpoint before the first part. */
const BACKUP_PART_MS_MAX = 15_000

const CHANNEL_OPTIONS = {
  'grpc.max_send_message_length': FRAME_BYTES_MAX,
  'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
  // A lock service asked through a web proxy, or by a list of somebody's DNS, is a surprise.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Requests are repeated here, with their numbers; a second mechanism underneath would hide what happens.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  // Finds the connection whose packets vanish without a word.
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 2_000,
  // Closed with its client, so that the process can end.
  'grpc.use_local_subchannel_pool': 1,
}

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

interface Channel {
  readonly client: LockkeeperClient
  users: number
}

/** The real network: one channel to an address, for as long as anything uses it. */
export class GrpcConnector implements Connector {
  readonly #channels = new Map<string, Channel>()

  attach(address: string, handlers: LinkHandlers): Link {
    const stream = this.#use(address).attach()
    return new GrpcLink(stream, handlers, () => this.#unuse(address))
  }

  /** Also what an operator asks. */
  call<M extends keyof Calls>(
    address: string,
    method: M,
    request: Calls[M]['request'],
    timeoutMs: number,
  ): Promise<Calls[M]['response']> {
    const { path, requestSerialize, responseDeserialize } = METHODS[method]
    const client = this.#use(address)
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs }
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        options,
        (error, response) => {
          this.#unuse(address)
          if (error === null && response !== undefined) resolve(response)
          else reject(error === null ? new UnreachableError('the node sent no answer') : toProblem(error))
        },
      )
    })
  }

  async *watch(
    address: string,
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchPart, void, undefined> {
    signal.throwIfAborted()
    const call = this.#use(address).watch(request)
    const stop = (): void => call.cancel()
    signal.addEventListener('abort', stop)
    try {
      yield* this.#parts<WatchPart>(address, call)
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  /** The parts of a backup of one node, as fast as they are asked for. Rejects with a `Problem`, also if none comes for long. */
  async *backup(address: string): AsyncGenerator<BackupPart, void, undefined> {
    const call = this.#use(address).backup({})
    const silent = new UnreachableError(`no part of the backup came within ${BACKUP_PART_MS_MAX} ms`)
    const patience = setTimeout(() => call.destroy(silent), BACKUP_PART_MS_MAX)
    try {
      for await (const part of this.#parts<BackupPart>(address, call)) {
        yield part
        patience.refresh()
      }
    } finally {
      clearTimeout(patience)
    }
  }

  /** What a call streams. Throws a `Problem`. */
  async *#parts<Part>(
    address: string,
    call: ClientReadableStream<Part>,
  ): AsyncGenerator<Part, void, undefined> {
    try {
      for await (const part of call as AsyncIterable<Part>) yield part
    } catch (error) {
      throw error instanceof UnreachableError ? error : toProblem(error as ServiceError)
    } finally {
      call.cancel()
      this.#unuse(address)
    }
  }

  close(): void {
    for (const { client } of this.#channels.values()) client.close()
    this.#channels.clear()
  }

  #use(address: string): LockkeeperClient {
    let channel = this.#channels.get(address)
    if (channel === undefined) {
      channel = {
        client: new LockkeeperClient(address, credentials.createInsecure(), CHANNEL_OPTIONS),
        users: 0,
      }
      this.#channels.set(address, channel)
    }
    channel.users++
    return channel.client
  }

  #unuse(address: string): void {
    const channel = this.#channels.get(address)
    if (channel === undefined || --channel.users > 0) return
    this.#channels.delete(address)
    channel.client.close()
  }
}

class GrpcLink implements Link {
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
