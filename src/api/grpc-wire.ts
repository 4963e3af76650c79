import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import { LIMITS } from '../machine/language/limits.js'
import { type ClientFrame, ServerFrame } from '../protocol/lockkeeper.js'
import type { Wire } from './attached-stream.js'
import type { Malformed } from './malformed.js'
import { grpcStatus, Refusal } from './refusal.js'

export type AttachCall = ServerDuplexStream<ClientFrame | Malformed, Buffer>

/**
 * Frames on their way to one client. They are encoded and counted here, and handed to gRPC one by one, so that a client
 * who does not read costs a known number of bytes, and then nothing more.
 */
export class GrpcWire implements Wire {
  readonly #call: AttachCall
  /** Called once, when the client reads too slowly. */
  readonly #onTooSlow: (refusal: Refusal) => void
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #writing = false
  #end: { readonly refusal: Refusal | undefined } | undefined

  constructor(call: AttachCall, onTooSlow: (refusal: Refusal) => void) {
    this.#call = call
    this.#onTooSlow = onTooSlow
  }

  send(frame: ServerFrame): void {
    if (this.#end !== undefined) return
    const { buffer, byteOffset, byteLength } = ServerFrame.encode(frame).finish()
    if (this.#waitingBytes + byteLength > LIMITS.streamBufferBytesMax) return this.#tooSlow()
    this.#waiting.push(Buffer.from(buffer, byteOffset, byteLength))
    this.#waitingBytes += byteLength
    this.#pump()
  }

  end(refusal?: Refusal): void {
    if (this.#end !== undefined) return
    this.#end = { refusal }
    this.#pump()
  }

  #pump(): void {
    if (this.#writing) return
    const next = this.#waiting.shift()
    if (next === undefined) return this.#endIfAsked()
    this.#writing = true
    this.#call.write(next, () => {
      this.#writing = false
      this.#waitingBytes -= next.length
      this.#pump()
    })
  }

  #endIfAsked(): void {
    if (this.#end === undefined) return
    const { refusal } = this.#end
    if (refusal === undefined) this.#call.end()
    else this.#call.emit('error', grpcError(refusal))
  }

  /** What waits is dropped: the client asks again elsewhere, with the same numbers. */
  #tooSlow(): void {
    this.#waiting = []
    const limit = LIMITS.streamBufferBytesMax
    this.#onTooSlow(
      new Refusal('BUSY', `the client left ${limit} bytes unread; read faster, or ask for less at once`),
    )
  }
}

/** What gRPC makes a status of. */
export function grpcError({ code, message }: Refusal) {
  const metadata = new Metadata()
  metadata.set('lockkeeper-code', code)
  return { code: grpcStatus(code), details: message, metadata }
}
