import { constants, type ServerHttp2Stream } from 'node:http2'
import { Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import type { PortConnection } from './connection.js'
import { METADATA_BYTES_MAX, PIECE_BYTES } from './limits.js'

type Base = ServerInterceptingCallInterface
type Listener = Parameters<Base['start']>[0]
export type Status = Parameters<Base['sendStatus']>[0]

/** Keeps the accounts of a port. */
export interface Meter {
  /** Time, as of the last sweep. */
  readonly nowMs: number
  /** More bytes of messages that are not complete, or fewer. */
  received(connection: PortConnection, bytes: number): void
  /** More bytes of replies wait for the client, or fewer. */
  waiting(connection: PortConnection, bytes: number): void
  /** A whole message has come. */
  spoke(connection: PortConnection): void
  abused(connection: PortConnection, reason: string): void
  tooLarge(what: string, bytes: number, max: number): Status
  /** Why this connection can't have a reply now. */
  untaken(connection: PortConnection): Status | undefined
}

/** What is known of a call when it begins. */
export interface Beginning {
  readonly stream: ServerHttp2Stream
  readonly connection: PortConnection
  readonly messageBytesMax: { readonly first: number; readonly later: number }
  /** Its request is a stream of messages; otherwise there is one, and an end. */
  readonly isStreaming: boolean
  /** It is refused with this. */
  readonly refusal: Status | undefined
}

/** Length and compression, before each message. */
const MESSAGE_HEAD_BYTES = 5
/** A message may come in so many pieces, however small they are. */
const PIECES_FREE = 1_024
const READS_PER_TURN = 64
/** From our end of a call until the client is to have ended it too. */
const END_MS = 2_000

/** Counts what one call makes this node keep, and ends it when that is too much, or stays for too long. */
export class MeteredCall extends ServerInterceptingCall {
  readonly #base: Base
  readonly #meter: Meter
  readonly #stream: ServerHttp2Stream
  readonly #connection: PortConnection
  readonly #isStreaming: boolean
  readonly #refusal: Status | undefined
  readonly #messageBytesMax: number
  #nextMessageBytesMax: number
  #metadataBytes = 0
  /** Of the message that is not complete, and in how many pieces. */
  #partBytes = 0
  #pieces = 0
  /** Since when a message, or the end of the request, is awaited; undefined while none is. */
  #awaitedSinceMs: number | undefined
  /** What waits in HTTP/2, because it is not read, as of the last sweep. */
  #unreadBytes = 0
  #untakenBytes = 0
  #hasSentMetadata = false
  #reads = 0
  #endedMs: number | undefined
  #isClosed = false

  constructor(base: Base, meter: Meter, beginning: Beginning) {
    super(base)
    this.#base = base
    this.#meter = meter
    const { stream, connection, messageBytesMax, isStreaming, refusal } = beginning
    this.#stream = stream
    this.#connection = connection
    this.#isStreaming = isStreaming
    this.#refusal = refusal
    this.#nextMessageBytesMax = messageBytesMax.first
    this.#messageBytesMax = messageBytesMax.later
    this.#awaitedSinceMs = meter.nowMs
    stream.on('data', (piece: Buffer) => this.#receive(piece.length))
  }

  override start(listener: Listener): void {
    if (this.#refusal !== undefined) return this.sendStatus(this.#refusal)
    this.#base.start({
      onReceiveMetadata: (metadata) => this.#begin(metadata, listener),
      onReceiveMessage: (message) => {
        this.#deliver(message)
        listener.onReceiveMessage(message)
      },
      onReceiveHalfClose: () => {
        this.#keep(0)
        this.#awaitedSinceMs = undefined
        listener.onReceiveHalfClose()
      },
      onCancel: () => listener.onCancel(),
    })
  }

  /** Nobody waits for a message that is not asked for: it stays in the socket. */
  override startRead(): void {
    if (this.#partBytes > 0) this.#awaitedSinceMs ??= this.#meter.nowMs
    // One piece may hold thousands of messages.
    if (++this.#reads % READS_PER_TURN === 0) setImmediate(() => this.#base.startRead())
    else this.#base.startRead()
  }

  override sendMetadata(metadata: Metadata): void {
    this.#hasSentMetadata = true
    metadata.set('grpc-accept-encoding', 'identity')
    this.#base.sendMetadata(metadata)
  }

  override sendMessage(message: unknown, callback: () => void): void {
    const refused = this.#meter.untaken(this.#connection)
    if (refused !== undefined) return this.sendStatus(refused)
    if (!this.#hasSentMetadata) this.sendMetadata(new Metadata())
    const before = this.#stream.writableLength
    let bytes = 0
    this.#base.sendMessage(message, () => {
      this.#untaken(-bytes)
      callback()
    })
    bytes = this.#stream.writableLength - before
    this.#untaken(bytes)
  }

  override sendStatus(status: Status): void {
    this.#base.sendStatus(status)
  }

  /** Ends what has lasted too long. */
  sweep(nowMs: number, messageMsMax: number): void {
    if (this.#awaitedSinceMs !== undefined && nowMs - this.#awaitedSinceMs > messageMsMax) {
      this.#awaitedSinceMs = undefined
      const details = `the request was not complete after ${messageMsMax} ms; repeat it`
      this.sendStatus({ code: status.DEADLINE_EXCEEDED, details })
    }
    const unreadBytes = this.#stream.readableLength
    this.#meter.received(this.#connection, unreadBytes - this.#unreadBytes)
    this.#unreadBytes = unreadBytes
    if (!this.#stream.writableEnded || this.#untakenBytes > 0) return
    this.#endedMs ??= nowMs
    if (nowMs - this.#endedMs > END_MS) this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }

  /** The stream is closed: nothing of the call is kept. */
  closed(): void {
    this.#keep(0)
    this.#meter.received(this.#connection, -this.#metadataBytes - this.#unreadBytes)
    this.#untaken(-this.#untakenBytes)
    this.#isClosed = true
  }

  #begin(metadata: Metadata, listener: Listener): void {
    const bytes = bytesOf(metadata)
    if (bytes > METADATA_BYTES_MAX) return this.#tooLarge('the headers', bytes, METADATA_BYTES_MAX)
    this.#metadataBytes = bytes
    this.#meter.received(this.#connection, bytes)
    listener.onReceiveMetadata(metadata)
  }

  #receive(bytes: number): void {
    if (this.#isClosed) return
    this.#partBytes += bytes
    this.#pieces++
    this.#awaitedSinceMs ??= this.#meter.nowMs
    this.#meter.received(this.#connection, bytes + PIECE_BYTES)
    const max = this.#nextMessageBytesMax
    if (this.#pieces > PIECES_FREE && this.#partBytes < this.#pieces * PIECE_BYTES)
      this.#meter.abused(
        this.#connection,
        `a message in ${this.#pieces} pieces of less than ${PIECE_BYTES} bytes`,
      )
    else if (this.#partBytes > max + MESSAGE_HEAD_BYTES) this.#tooLarge('a message', this.#partBytes, max)
  }

  /** Of messages that are bytes it is known what is left of the last piece; of others it is counted as nothing. */
  #deliver(message: unknown): void {
    this.#meter.spoke(this.#connection)
    this.#nextMessageBytesMax = this.#messageBytesMax
    const isBytes = message instanceof Uint8Array
    this.#keep(isBytes ? Math.max(0, this.#partBytes - message.length - MESSAGE_HEAD_BYTES) : 0)
    if (this.#isStreaming) this.#awaitedSinceMs = undefined
  }

  /** So much is left of what came: a part of the next message, in one piece. */
  #keep(partBytes: number): void {
    const pieces = partBytes > 0 ? 1 : 0
    const fewer = this.#partBytes - partBytes + PIECE_BYTES * (this.#pieces - pieces)
    this.#partBytes = partBytes
    this.#pieces = pieces
    this.#meter.received(this.#connection, -fewer)
  }

  #untaken(bytes: number): void {
    if (this.#isClosed || bytes === 0) return
    this.#untakenBytes += bytes
    this.#meter.waiting(this.#connection, bytes)
  }

  #tooLarge(what: string, bytes: number, max: number): void {
    this.#awaitedSinceMs = undefined
    this.sendStatus(this.#meter.tooLarge(what, bytes, max))
  }
}

function bytesOf(metadata: Metadata): number {
  let bytes = 0
  for (const [key, values] of Object.entries(metadata.toJSON())) {
    for (const value of values) bytes += key.length + value.length
  }
  return bytes
}
