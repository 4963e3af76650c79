import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js'
import type { Wire } from './attached-stream.js'
import { grpcStatus, type Refusal } from './refusal.js'

/** Frames, encoded both ways. */
export type AttachCall = ServerDuplexStream<Buffer, Buffer>

/** One Attach call of gRPC. */
export class GrpcWire implements Wire {
  readonly #call: AttachCall
  readonly #read: () => void
  #isReading = true
  #isReadDue = false

  constructor(call: AttachCall) {
    this.#call = call
    // A stream that is paused reads 16 messages ahead, which may be 64 MiB; this one does not read at all.
    this.#read = call._read.bind(call, 1)
    call._read = () => {
      this.#isReadDue = true
      this.#readIfWanted()
    }
  }

  setReading(isWanted: boolean): void {
    this.#isReading = isWanted
    this.#readIfWanted()
  }

  send(frame: Uint8Array, onTaken: () => void): void {
    const { buffer, byteOffset, byteLength } = frame
    this.#call.write(Buffer.from(buffer, byteOffset, byteLength), onTaken)
  }

  end(refusal?: Refusal): void {
    if (refusal === undefined) this.#call.end()
    else this.#call.emit('error', grpcError(refusal))
  }

  #readIfWanted(): void {
    if (!this.#isReading || !this.#isReadDue) return
    this.#isReadDue = false
    this.#read()
  }
}

/** What gRPC makes a status of. */
export function grpcError({ code, message }: Refusal) {
  const metadata = new Metadata()
  metadata.set('lockkeeper-code', code)
  return { code: grpcStatus(code), details: message, metadata }
}
