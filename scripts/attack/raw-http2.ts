import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection of HTTP/2 made of bytes, with no more manners than the attack wants. */
export class RawHttp2 {
  readonly socket: Socket
  /** What the other end has sent. */
  receivedBytes = 0
  #nextStream = 1
  #isIndexed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      this.receivedBytes += bytes.length
    })
  }

  /** Preface and settings have been sent. `windowBytes`: what the other end may send for each stream, unasked. */
  static async open(address: string, windowBytes = 2 ** 31 - 1): Promise<RawHttp2> {
    const raw = new RawHttp2(await openSocket(address))
    const window = Buffer.alloc(6)
    window.writeUInt16BE(4, 0)
    window.writeUInt32BE(windowBytes, 2)
    raw.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, 0, 0, window))
    return raw
  }

  get isClosed(): boolean {
    return this.socket.destroyed
  }

  write(...parts: Buffer[]): void {
    if (!this.isClosed) this.socket.write(Buffer.concat(parts))
  }

  /** The headers of a call at this path, and with `message` its request and its end. All calls of a connection have one path. */
  call(path: string, message?: Buffer): Buffer {
    const headers = frame(FRAME.headers, END_HEADERS, this.#nextStream, this.#block(path))
    const request =
      message === undefined ? [] : [frame(FRAME.data, END_STREAM, this.#nextStream, whole(message))]
    this.#nextStream += 2
    return Buffer.concat([headers, ...request])
  }

  /** Of the call that was made last. */
  get stream(): number {
    return this.#nextStream - 2
  }

  /** Resolves when it is closed, or after this time. */
  async closed(withinMs: number): Promise<boolean> {
    if (this.isClosed) return true
    const timer = new AbortController()
    const late = setTimeout(() => timer.abort(), withinMs)
    await once(this.socket, 'close', { signal: timer.signal }).catch(() => undefined)
    clearTimeout(late)
    return this.isClosed
  }

  close(): void {
    this.socket.destroy()
  }

  /** HPACK: all headers in full the first time, and by their numbers in the table from then on. */
  #block(path: string): Buffer {
    if (this.#isIndexed) return Buffer.from([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe])
    this.#isIndexed = true
    return Buffer.concat([
      Buffer.from([0x83, 0x86, 0x44, path.length]),
      Buffer.from(path),
      Buffer.from([0x41, 1]),
      Buffer.from('x'),
      Buffer.from([0x5f, 16]),
      Buffer.from('application/grpc'),
      Buffer.from([0x40, 2]),
      Buffer.from('te'),
      Buffer.from([8]),
      Buffer.from('trailers'),
    ])
  }
}

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const
export const END_STREAM = 1
export const END_HEADERS = 4

export function frame(kind: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = kind
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** As gRPC frames a message, of which `bytes` may be the beginning. */
export function whole(bytes: Buffer, saidBytes = bytes.length): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(saidBytes, 1)
  return Buffer.concat([head, bytes])
}

export async function openSocket(address: string): Promise<Socket> {
  const [host, port] = address.split(':')
  const socket = connect({ host, port: Number(port) })
  await once(socket, 'connect')
  return socket
}
