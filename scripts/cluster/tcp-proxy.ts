import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAddress } from '../../src/platform/address.js'

const HOST = '127.0.0.1'

/** Seen from who dials: towards the target, or back. */
export type Way = 'there' | 'back'

/**
 * A piece of network that can fail: real sockets on loopback, between those who connect to `address` and `target`.
 *
 * A cut is silent, as that of a network which drops packets: nobody is told, connections stay open, and new ones are
 * accepted and lead nowhere. What was sent meanwhile arrives when it heals, as TCP would repeat it.
 */
export class TcpProxy implements AsyncDisposable {
  /** 'host:port' to connect to. */
  readonly address: string
  /** 'host:port' behind it. To be set before anybody connects. */
  target = ''
  /** How long bytes are on their way, in ms. */
  readonly delayMs: Record<Way, number> = { there: 0, back: 0 }
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #gates = { there: new Gate(), back: new Gate() }
  #refusing = false

  private constructor(server: Server) {
    this.#server = server
    this.address = `${HOST}:${(server.address() as AddressInfo).port}`
    server.on('connection', (socket) => this.#accept(socket))
  }

  static async listen(target = ''): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, HOST)
    await once(server, 'listening')
    const proxy = new TcpProxy(server)
    proxy.target = target
    return proxy
  }

  /** Silently, both ways or only one. */
  cut(...ways: Way[]): void {
    for (const way of ways.length === 0 ? (['there', 'back'] as const) : ways) this.#gates[way].shut()
  }

  /** Breaks all connections with a reset, and each new one as soon as it is made. */
  refuse(): void {
    this.#refusing = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  heal(): void {
    this.#refusing = false
    this.#gates.there.open()
    this.#gates.back.open()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #accept(client: Socket): Promise<void> {
    this.#own(client)
    if (this.#refusing) client.resetAndDestroy()
    await this.#gates.there.opened
    const { host, port } = parseAddress(this.target)!
    const server = this.#own(connect({ host, port, allowHalfOpen: true, noDelay: true }))
    this.#carry('there', client, server)
    this.#carry('back', server, client)
  }

  #own(socket: Socket): Socket {
    this.#sockets.add(socket)
    // What broke is seen by 'close', and passed on.
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    return socket.setNoDelay()
  }

  /** In order, and each piece not before its time and while the gate is open. */
  #carry(way: Way, from: Socket, to: Socket): void {
    let arrived = Promise.resolve()
    const then = (action: () => void): void => {
      const dueMs = performance.now() + this.delayMs[way]
      arrived = arrived.then(async () => {
        // A timer may be early by the part of a millisecond.
        while (performance.now() < dueMs) await sleep(dueMs - performance.now(), undefined, { ref: false })
        await this.#gates[way].opened
        action()
      })
    }
    from.on('data', (chunk) => then(() => void (to.writable && to.write(chunk))))
    from.on('end', () => then(() => void to.end()))
    from.on('close', (broken) => then(() => void (broken && to.resetAndDestroy())))
  }
}

class Gate {
  #opened: PromiseWithResolver | undefined

  /** Resolves at once unless it is shut, else when it is opened. */
  get opened(): Promise<void> | undefined {
    return this.#opened?.promise
  }

  shut(): void {
    this.#opened ??= withResolver()
  }

  open(): void {
    this.#opened?.resolve()
    this.#opened = undefined
  }
}

interface PromiseWithResolver {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

function withResolver(): PromiseWithResolver {
  let resolve = (): void => undefined
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
