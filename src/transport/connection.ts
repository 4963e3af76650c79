import { Client, type ClientDuplexStream, Metadata, type StatusObject, status } from '@grpc/grpc-js'
import type { Clock, Loss, PeerItem, Timer } from '../replica/ports.js'
import { encodeItems, itemBytes } from './codec.js'
import { BUFFER_BYTES_MAX, DIAL_MS, DRAIN_MS, FRAME_BYTES } from './limits.js'
import { CHANNEL_OPTIONS, CLIENT_CREDENTIALS, lossOf, STREAM } from './service.js'

export interface ConnectionHandlers {
  readonly onWelcome: () => void
  /** Once, unless `close` was called before. `loss`: the peer knows that this node has lost what it promised, and how. */
  readonly onEnd: (reason: string, loss: Loss | undefined) => void
}

/** What gRPC ends its message with when it has nothing more to note. */
const EMPTY_NOTE = /\.? Resolution note: *$/

/**
 * One attempt to reach a peer and, if it is welcomed, one stream of items to it. One frame is under way at a time;
 * what is sent meanwhile gathers into the next, so that at most `BUFFER_BYTES_MAX` wait here and next to nothing in gRPC.
 */
export class Connection {
  readonly #clock: Clock
  readonly #handlers: ConnectionHandlers
  readonly #client: Client
  readonly #stream: ClientDuplexStream<Buffer, Buffer>
  #welcomed = false
  #ended = false
  #deadline: Timer
  #items: PeerItem[] = []
  #itemBytes = 0
  #frameBytes = 0
  #flushDue = false

  constructor(address: string, hello: Buffer, clock: Clock, handlers: ConnectionHandlers) {
    this.#clock = clock
    this.#handlers = handlers
    this.#client = new Client(address, CLIENT_CREDENTIALS, CHANNEL_OPTIONS)
    const { path, requestSerialize, responseDeserialize } = STREAM
    this.#stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    )
    this.#stream.once('data', () => this.#welcome())
    this.#stream.on('status', ({ code, details }: StatusObject) =>
      this.#end(`${status[code]}: ${details.replace(EMPTY_NOTE, '')}`, lossOf(code)),
    )
    this.#stream.on('error', () => {}) // The status says the same, and also comes when there is no error.
    this.#deadline = clock.after(DIAL_MS, () => this.#end(`no answer within ${DIAL_MS} ms`))
    this.#stream.write(hello)
  }

  get welcomed(): boolean {
    return this.#welcomed
  }

  /** Bytes that wait for the peer. */
  get bufferedBytes(): number {
    return this.#itemBytes + this.#frameBytes
  }

  /** Returns false if the item was dropped. */
  send(item: PeerItem): boolean {
    const bytes = itemBytes(item)
    if (!this.#welcomed || this.bufferedBytes + bytes > BUFFER_BYTES_MAX) return false
    this.#items.push(item)
    this.#itemBytes += bytes
    if (!this.#flushDue) {
      this.#flushDue = true
      this.#clock.soon(() => this.#flush())
    }
    return true
  }

  close(): void {
    this.#ended = true
    this.#welcomed = false
    this.#deadline.cancel()
    this.#items = []
    this.#stream.cancel()
    this.#client.close()
  }

  #welcome(): void {
    this.#deadline.cancel()
    this.#welcomed = true
    this.#stream.resume()
    this.#handlers.onWelcome()
  }

  #end(reason: string, loss?: Loss): void {
    if (this.#ended) return
    this.close()
    this.#handlers.onEnd(reason, loss)
  }

  #flush(): void {
    this.#flushDue = false
    if (this.#ended || this.#frameBytes > 0 || this.#items.length === 0) return
    const frame = encodeItems(this.#takeFrame())
    this.#deadline = this.#clock.after(DRAIN_MS, () =>
      this.#end(`a frame was not taken within ${DRAIN_MS} ms`),
    )
    this.#stream.write(frame, () => {
      this.#deadline.cancel()
      this.#frameBytes = 0
      this.#flush()
    })
  }

  #takeFrame(): PeerItem[] {
    let count = 0
    while (count < this.#items.length && this.#frameBytes < FRAME_BYTES)
      this.#frameBytes += itemBytes(this.#items[count++]!)
    this.#itemBytes -= this.#frameBytes
    return this.#items.splice(0, count)
  }
}
