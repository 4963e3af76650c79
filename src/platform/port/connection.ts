import { constants, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { MeteredCall } from './metered-call.js'

/** Nothing whole has been said yet; no call is open; or some are. In this order connections make room for new ones. */
export type ConnectionState = 'silent' | 'idle' | 'busy'

/** One client's connection to a port, and what it costs now. */
export class PortConnection {
  readonly key: string
  readonly address: string
  readonly calls = new Set<MeteredCall>()
  /** Known since the first call. */
  session: ServerHttp2Session | undefined
  state: ConnectionState = 'silent'
  /** Since when it is in this state, as of the last sweep. */
  sinceMs: number
  /** Of messages that are not complete, and of the headers of calls. */
  receivedBytes = 0
  /** Of replies. */
  waitingBytes = 0
  /** When a reply was taken, or the first one began to wait. */
  takenAtMs = 0
  /** Calls that were given up before they began, since the last sweep. */
  givenUp = 0
  readonly #socket: Socket

  constructor(socket: Socket, nowMs: number) {
    this.#socket = socket
    this.key = keyOf(socket.remoteAddress, socket.remotePort)
    this.address = socket.remoteAddress ?? ''
    this.sinceMs = nowMs
  }

  get bufferedBytes(): number {
    return this.receivedBytes + this.waitingBytes
  }

  /** No new calls; those that are open go on. */
  end(): void {
    if (this.session === undefined) this.#socket.destroy()
    else if (!this.session.closed) this.session.close()
  }

  /**
   * With all its calls. What waits to be sent is dropped. Not at once: HTTP/2 may be reading the socket, and Node.js 20 goes on
   * with streams that it has freed if their session is destroyed meanwhile.
   */
  cut(): void {
    setImmediate(() => {
      // The client learns the reason if it still reads.
      if (this.session !== undefined && !this.session.destroyed)
        this.session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
      this.#socket.destroy()
    })
  }
}

/** As gRPC names the other end of a call. */
export function keyOf(address: string | undefined, port: number | undefined): string {
  return `${address}:${port}`
}
