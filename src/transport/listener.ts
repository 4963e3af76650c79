import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { NodeId } from '../../raft/index.js'
import type { GrpcPort, PortFigures } from '../platform/port/index.js'
import type { Clock, PeerItem } from '../replica/ports.js'
import { decodeItemsFrom } from './codec.js'
import { FrameError } from './frame-error.js'
import {
  decodeHello,
  encodeWelcome,
  type Hello,
  type Receiver,
  type Refusal,
  refusal,
  rollback,
} from './hello.js'
import { HELLO_MS } from './limits.js'
import type { SalvageAnswers } from './salvage-answers.js'
import { LOST, peerPort, SALVAGE, STREAM } from './service.js'

export interface ListenerOptions {
  readonly connectionsMax: number
  /** As of now. */
  readonly receiver: () => Receiver
  /** For peers whose disks are damaged. */
  readonly salvage: SalvageAnswers
  readonly clock: Clock
  readonly logger: Logger
  readonly onItem: (from: NodeId, item: PeerItem) => void
  /** As in `TransportOptions`. */
  readonly remember: (hello: Hello) => Promise<void> | undefined
  /** A peer has been let in; when it leaves, `onGone` follows, unless it has come back before. */
  readonly onGreeted: (hello: Hello) => void
  readonly onGone: (peer: NodeId) => void
}

type PeerStream = ServerDuplexStream<Buffer, Buffer>

/** The peer port: lets peers in, turns strangers away, delivers what peers send. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #port: GrpcPort
  /** The one stream of each peer that is listened to. */
  readonly #streams = new Map<NodeId, PeerStream>()

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#port = peerPort(options.connectionsMax, options.clock, options.logger)
    const service = { stream: STREAM, salvage: SALVAGE }
    this.#port.addService(service, {
      stream: (stream: PeerStream) => this.#accept(stream),
      salvage: (stream: PeerStream) => options.salvage.accept(stream),
    })
  }

  get figures(): PortFigures {
    return this.#port.figures
  }

  /** Rejects with a `ListenError`. */
  listen(address: string): Promise<void> {
    return this.#port.listen(address)
  }

  stop(): void {
    this.#port.close()
  }

  /** A peer that was let in is one no more. */
  turnOut(peer: NodeId, refused: Refusal): void {
    this.#close(peer, codeOf(refused), refused.reason)
  }

  /** A peer has broken the protocol. It may come again. */
  breach(peer: NodeId, reason: string): void {
    const details = `node ${peer} breaks the protocol: ${reason}`
    this.#close(peer, status.INVALID_ARGUMENT, details, `breach ${peer}`)
  }

  #close(peer: NodeId, code: status, reason: string, kind = reason): void {
    const stream = this.#streams.get(peer)
    if (stream === undefined) return
    this.#lose(peer)
    this.#refuse(stream, code, reason, kind)
  }

  #accept(stream: PeerStream): void {
    const hello = this.#options.clock.after(HELLO_MS, () => {
      this.#refuse(stream, status.DEADLINE_EXCEEDED, `no hello within ${HELLO_MS} ms`)
    })
    let from: NodeId | undefined
    stream.once('data', (frame: Buffer) => {
      hello.cancel()
      this.#greet(stream, frame, (peer) => {
        from = peer
      })
      stream.on('data', (next: Buffer) => this.#receive(stream, from, next))
    })
    stream.on('error', () => {})
    stream.on('end', () => stream.end())
    stream.on('close', () => {
      hello.cancel()
      if (from !== undefined && this.#streams.get(from) === stream) this.#lose(from)
    })
  }

  /** Nothing comes from a peer before it is welcomed, so it may wait until this node will remember it. */
  #greet(stream: PeerStream, frame: Buffer, onLetIn: (peer: NodeId) => void): void {
    const hello = attempt(() => decodeHello(frame))
    if (hello instanceof FrameError)
      return this.#refuse(stream, status.INVALID_ARGUMENT, `this is no hello: ${hello.message}`)
    if (!this.#isWelcome(stream, hello)) return
    const welcome = (): void => {
      if (stream.destroyed || !this.#isWelcome(stream, hello)) return
      onLetIn(hello.from)
      this.#letIn(stream, hello)
    }
    const remembered = this.#options.remember(hello)
    if (remembered === undefined) welcome()
    else remembered.then(welcome, (error) => this.#refuse(stream, status.UNAVAILABLE, String(error)))
  }

  #isWelcome(stream: PeerStream, hello: Hello): boolean {
    const receiver = this.#options.receiver()
    const refused = refusal(hello, receiver) ?? rollback(hello, receiver.book)
    if (refused !== undefined) this.#refuse(stream, codeOf(refused), refused.reason)
    return refused === undefined
  }

  #letIn(stream: PeerStream, hello: Hello): void {
    const older = this.#streams.get(hello.from)
    this.#streams.set(hello.from, stream)
    if (older !== undefined)
      this.#refuse(older, status.ABORTED, `node ${hello.from} has opened a newer stream`)
    stream.write(encodeWelcome())
    this.#options.onGreeted(hello)
  }

  #receive(stream: PeerStream, from: NodeId | undefined, frame: Buffer): void {
    if (from === undefined || this.#streams.get(from) !== stream) return
    const items = attempt(() => decodeItemsFrom(from, frame))
    if (items instanceof FrameError) {
      this.#lose(from)
      this.#refuse(stream, status.INVALID_ARGUMENT, `malformed frame from node ${from}: ${items.message}`)
      return
    }
    for (const item of items) this.#options.onItem(from, item)
  }

  #lose(peer: NodeId): void {
    this.#streams.delete(peer)
    this.#options.onGone(peer)
  }

  /** `kind`: refusals of one kind are the same to the log, though their reasons may differ in figures. */
  #refuse(stream: PeerStream, code: status, details: string, kind = details): void {
    this.#options.logger.warn({ reason: details, kind, remote: stream.getPeer() }, 'peer stream refused')
    stream.emit('error', { code, details })
  }
}

function codeOf({ loss }: Refusal): status {
  return loss === undefined ? status.FAILED_PRECONDITION : LOST[loss]
}

/** Only what the peer did wrong is caught; a mistake of ours goes on upwards. */
function attempt<T>(decode: () => T): T | FrameError {
  try {
    return decode()
  } catch (error) {
    if (error instanceof FrameError) return error
    throw error
  }
}
