import { BinaryReader } from '@bufbuild/protobuf/wire'
import { Fifo } from '../platform/work-queue.js'
import { Hello, Request } from '../protocol/lockkeeper.js'

/** One field of a frame. `unreadable`: the bytes that follow are no message. */
export type FramePart =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'request'; readonly request: Request }
  | { readonly kind: 'end' }
  | { readonly kind: 'unreadable' }

interface Frame {
  readonly reader: BinaryReader
  /** Where a request that was taken before the others begins. */
  readonly renewalAt: number | undefined
}

/** Of the fields of a `ClientFrame`: number and wire type. */
const HELLO_TAG = (1 << 3) | 2
const REQUESTS_TAG = (2 << 3) | 2
/** What a `Request` that is a renewal ends with: field 6, of no bytes. */
const RENEWAL_END = [(6 << 3) | 2, 0]
const END: FramePart = { kind: 'end' }
const UNREADABLE: FramePart = { kind: 'unreadable' }

/** The frames of one client that have yet to be taken. A frame may hold 400,000 requests: they are decoded one by one. */
export class ClientFrames {
  readonly #frames = new Fifo<Frame>()
  #bytes = 0

  /** Of the frames that have not been taken to their end. */
  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#frames.first === undefined
  }

  /** Returns the last renewal in it if there is one and other frames come first: it is none of the parts then. */
  push(bytes: Uint8Array): Request | undefined {
    const renewal = this.isEmpty ? undefined : lastRenewalIn(bytes)
    this.#frames.push({ reader: new BinaryReader(bytes), renewalAt: renewal?.at })
    this.#bytes += bytes.length
    return renewal?.request
  }

  /** `end` after the last part of each frame; undefined if there is no frame. */
  next(): FramePart | undefined {
    const frame = this.#frames.first
    if (frame === undefined) return undefined
    const part = partOf(frame)
    if (part.kind === 'end') {
      this.#frames.shift()
      this.#bytes -= frame.reader.len
    }
    return part
  }

  clear(): void {
    while (this.#frames.shift() !== undefined);
    this.#bytes = 0
  }
}

/**
 * Found without decoding the rest. It is looked for where a message ends as its encoding does in any client that writes
 * fields in their order.
 */
function lastRenewalIn(bytes: Uint8Array): { readonly request: Request; readonly at: number } | undefined {
  try {
    const at = lastRenewalAt(bytes)
    if (at === undefined) return undefined
    const reader = new BinaryReader(bytes)
    reader.pos = at
    const request = Request.decode(reader, reader.uint32())
    return request.operation?.$case === 'renew' ? { request, at } : undefined
  } catch {
    // The frame is refused when it is taken.
    return undefined
  }
}

/** Where the length of the last request that ends like a renewal is. */
function lastRenewalAt(bytes: Uint8Array): number | undefined {
  const reader = new BinaryReader(bytes)
  let last: number | undefined
  while (reader.pos < reader.len) {
    const tag = reader.uint32()
    const at = reader.pos
    reader.skip(tag & 7)
    const isRenewal = bytes[reader.pos - 2] === RENEWAL_END[0] && bytes[reader.pos - 1] === RENEWAL_END[1]
    if (tag === REQUESTS_TAG && isRenewal) last = at
  }
  return last
}

function partOf({ reader, renewalAt }: Frame): FramePart {
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag === HELLO_TAG) return { kind: 'hello', hello: Hello.decode(reader, reader.uint32()) }
      if (tag === REQUESTS_TAG && reader.pos !== renewalAt)
        return { kind: 'request', request: Request.decode(reader, reader.uint32()) }
      reader.skip(tag & 7)
    }
    return END
  } catch {
    return UNREADABLE
  }
}
