import type { Logger } from 'pino'
import type { NodeId } from '../../raft/index.js'
import type { Clock, Loss, PeerItem, Timer } from '../replica/ports.js'
import { Connection } from './connection.js'
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS } from './limits.js'

export interface LinkOptions {
  readonly peer: NodeId
  readonly address: string
  /** Made anew for each attempt. */
  readonly hello: () => Buffer
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly logger: Logger
  readonly onConnected: (peer: NodeId) => void
  readonly onDisconnected: (peer: NodeId) => void
  readonly onDisowned: (peer: NodeId, reason: string, loss: Loss) => void
}

/** The way to one peer: connects, and connects again for ever, until it is stopped. */
export class Link {
  readonly #options: LinkOptions
  #connection: Connection | undefined
  #welcomedAt: number | undefined
  #attempts = 0
  #retry: Timer | undefined
  #reported = ''
  #dropping = false

  constructor(options: LinkOptions) {
    this.#options = options
  }

  get address(): string {
    return this.#options.address
  }

  get connected(): boolean {
    return this.#connection?.welcomed ?? false
  }

  dial(): void {
    const { address, hello, clock } = this.#options
    this.#connection = new Connection(address, hello(), clock, {
      onWelcome: () => this.#welcomed(),
      onEnd: (reason, loss) => this.#ended(reason, loss),
    })
  }

  /** The peer is there: no need to wait for the next attempt. */
  hurry(): void {
    if (this.#connection !== undefined) return
    this.#retry?.cancel()
    this.dial()
  }

  send(item: PeerItem): void {
    if (!this.connected) return
    const dropped = this.#connection?.send(item) === false
    if (dropped && !this.#dropping)
      this.#log().warn('the buffer for this peer is full: messages are dropped until it drains')
    this.#dropping = dropped
  }

  stop(): void {
    this.#retry?.cancel()
    this.#connection?.close()
    this.#connection = undefined
  }

  /** Breaks off what is there, with all that waits to be sent. */
  redial(): void {
    this.stop()
    this.#welcomedAt = undefined
    this.dial()
  }

  #welcomed(): void {
    this.#welcomedAt = this.#options.clock.nowMs()
    this.#reported = ''
    this.#log().info('peer connected')
    this.#options.onConnected(this.#options.peer)
  }

  #ended(reason: string, loss: Loss | undefined): void {
    const { clock, peer, onDisconnected, onDisowned } = this.#options
    const welcomedAt = this.#welcomedAt
    this.#connection = undefined
    this.#welcomedAt = undefined
    if (welcomedAt !== undefined && clock.nowMs() - welcomedAt > BACKOFF_MAX_MS) this.#attempts = 0
    this.#retry = clock.after(this.#backoffMs(), () => this.dial())
    this.#report(reason)
    if (welcomedAt !== undefined) onDisconnected(peer)
    if (loss !== undefined) onDisowned(peer, reason, loss)
  }

  /** Doubles from attempt to attempt; half of it is left to chance, so that peers do not knock in step. */
  #backoffMs(): number {
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts++)
    return (ceiling * (1 + this.#options.random())) / 2
  }

  /** Once for each reason, not for each attempt. */
  #report(reason: string): void {
    if (reason === this.#reported) return
    this.#reported = reason
    this.#log().warn({ reason }, 'no connection to this peer; trying on')
  }

  #log(): Logger {
    const { logger, peer, address } = this.#options
    return logger.child({ peer, address })
  }
}
