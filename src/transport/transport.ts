import type { Logger } from 'pino'
import { assert, type LogIndex, type NodeId } from '../../raft/index.js'
import type { PortFigures } from '../platform/port/index.js'
import type {
  Clock,
  IntactParts,
  Loss,
  PeerItem,
  Timer,
  Transport,
  TransportHandlers,
} from '../replica/ports.js'
import { encodeHello, type Hello, type PeerBook, type Receiver, type Refusal, refusal } from './hello.js'
import { FAREWELL_MS, GUESTS_MAX } from './limits.js'
import { Link } from './link.js'
import { Listener } from './listener.js'
import { SalvageAnswers } from './salvage-answers.js'

export interface TransportOptions {
  readonly self: NodeId
  readonly clusterId: string
  /** 'host:port' for the peers to dial; those that do not know this node yet are told. */
  readonly listen: string
  /** 'host:port' of each member to begin with, `self` among them if it is one. */
  readonly peers: ReadonlyMap<NodeId, string>
  /** From other nodes, and from strangers. */
  readonly connectionsMax: number
  /** The highest feature level that this version knows. */
  readonly level: number
  /** Which disk this node is on. */
  readonly disk: number
  /** A peer is to be let in, as soon as this resolves: from then on it is known by its disk. Undefined if it is already. */
  readonly remember: (hello: Hello) => Promise<void> | undefined
  /** Where its log ends, as of now. */
  readonly lastIndex: () => LogIndex
  /** What it has there, for peers that have lost it. */
  readonly parts: IntactParts
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly logger: Logger
}

export interface PeerHandlers extends TransportHandlers {
  /** A peer's stream has come in: what it said of itself is known. */
  readonly onGreeted: () => void
  /** A peer knows this node, and that it has lost what it promised. */
  readonly onDisowned: (peer: NodeId, reason: string, loss: Loss) => void
}

/**
 * Peers over gRPC. Every node dials every other; items travel on the stream that their sender opened. Who are members
 * may change at any time. A peer that is let in and is no member as far as we know is answered, at the address that it
 * gives, as long as its stream lives.
 */
export class PeerTransport implements Transport {
  readonly #options: TransportOptions
  readonly #links = new Map<NodeId, Link>()
  /** Whose streams are open, by what they said at the door. */
  readonly #guests = new Map<NodeId, Hello>()
  #book: PeerBook
  #listener: Listener | undefined
  #handlers: PeerHandlers | undefined
  #retirement: Timer | undefined
  #isFenced = false

  constructor(options: TransportOptions) {
    this.#options = options
    this.#book = {
      addresses: options.peers,
      configIndex: 0,
      isLed: false,
      disks: new Map(),
      kept: new Map(),
      level: 0,
      incarnation: 0,
    }
  }

  /** Rejects with a `ListenError`; then nothing was started. */
  async start(handlers: PeerHandlers): Promise<void> {
    assert(this.#listener === undefined, 'a transport is started once')
    const { self, clusterId, parts, listen, connectionsMax, clock, logger, remember } = this.#options
    this.#listener = new Listener({
      connectionsMax,
      receiver: () => this.#receiver,
      salvage: new SalvageAnswers({ self, clusterId, parts, logger }),
      clock,
      logger,
      onItem: (from, item) => {
        if (!this.#isFenced) handlers.onItem(from, item)
      },
      remember: (hello) => (this.#isMember(hello) ? remember(hello) : undefined),
      onGreeted: (hello) => this.#greeted(hello),
      onGone: (peer) => this.#gone(peer),
    })
    await this.#listener.listen(listen)
    this.#handlers = handlers
    this.#dialNew()
  }

  /**
   * The members are others now, or elsewhere, or on other disks. A node that is no longer a member is disconnected after a moment; one that is
   * on another disk than it should be is not heard for a moment longer.
   */
  update(book: PeerBook): void {
    this.#book = book
    this.#turnOut(book, ({ loss }) => loss !== undefined)
    // Those that were let in before this node knew that they are members.
    for (const hello of this.#guests.values()) if (this.#isMember(hello)) void this.#options.remember(hello)
    this.#dialNew()
    this.#retireLater()
  }

  /**
   * From now on nothing is sent to peers or heard of them, and what waits to be sent is dropped. Peers are dialled on: they
   * are to say whether they know this node.
   */
  fence(): void {
    if (this.#isFenced) return
    this.#isFenced = true
    for (const link of this.#links.values()) link.redial()
  }

  send(to: NodeId, item: PeerItem): void {
    if (this.#isFenced) return
    this.#links.get(to)?.send(item)
  }

  closeInbound(peer: NodeId, reason: string): void {
    this.#listener?.breach(peer, reason)
  }

  connected(): ReadonlySet<NodeId> {
    const connected = new Set<NodeId>()
    if (this.#isFenced) return connected
    for (const [peer, link] of this.#links) if (link.connected) connected.add(peer)
    return connected
  }

  /** Of its port; undefined before it listens. */
  get figures(): PortFigures | undefined {
    return this.#listener?.figures
  }

  /** The feature level that each peer's version knows, as far as its stream is open. */
  levels(): ReadonlyMap<NodeId, number> {
    return new Map([...this.#guests.values()].map(({ from, level }) => [from, level]))
  }

  async stop(): Promise<void> {
    this.#handlers = undefined
    this.#retirement?.cancel()
    for (const link of this.#links.values()) link.stop()
    this.#links.clear()
    this.#listener?.stop()
  }

  get #receiver(): Receiver {
    const { self, clusterId } = this.#options
    return { clusterId, self, book: this.#book }
  }

  #isMember({ from }: Hello): boolean {
    return this.#book.addresses.has(from)
  }

  #greeted(hello: Hello): void {
    // Who came back is heard at once, and answered only on a stream of ours.
    this.#links.get(hello.from)?.hurry()
    if (this.#guests.size >= GUESTS_MAX) return
    this.#guests.set(hello.from, hello)
    this.#dialNew()
    this.#handlers?.onGreeted()
  }

  #gone(peer: NodeId): void {
    this.#guests.delete(peer)
    this.#retireLater()
  }

  /** What the cluster says of a member counts more than what it says of itself. */
  #addressOf(peer: NodeId): string {
    return this.#book.addresses.get(peer) || this.#guests.get(peer)?.address || ''
  }

  #dialNew(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    for (const peer of new Set([...this.#book.addresses.keys(), ...this.#guests.keys()])) {
      const address = this.#addressOf(peer)
      const known = this.#links.get(peer)
      if (peer === this.#options.self || address === '' || known?.address === address) continue
      known?.stop()
      const link = this.#link(peer, address, handlers)
      this.#links.set(peer, link)
      link.dial()
    }
  }

  #retireLater(): void {
    if (this.#handlers === undefined) return
    this.#retirement?.cancel()
    this.#retirement = this.#options.clock.after(FAREWELL_MS, () => this.#retire())
  }

  #retire(): void {
    // Who was let in to lead us may do so.
    this.#turnOut({ ...this.#book, isLed: false }, () => true)
    for (const [peer, link] of this.#links) {
      if (this.#addressOf(peer) !== '') continue
      link.stop()
      this.#links.delete(peer)
    }
  }

  /** Those who were let in, and would be refused now. */
  #turnOut(book: PeerBook, which: (refused: Refusal) => boolean): void {
    const receiver = { ...this.#receiver, book }
    for (const hello of [...this.#guests.values()]) {
      const refused = refusal(hello, receiver)
      if (refused !== undefined && which(refused)) this.#listener?.turnOut(hello.from, refused)
    }
  }

  #link(peer: NodeId, address: string, handlers: PeerHandlers): Link {
    const { self, clusterId, listen, level, disk, lastIndex, clock, random, logger } = this.#options
    const { onConnected, onDisconnected, onDisowned } = handlers
    const hello = () =>
      encodeHello({
        clusterId,
        from: self,
        to: peer,
        address: listen,
        configIndex: this.#book.configIndex,
        level,
        disk,
        lastIndex: lastIndex(),
        incarnation: this.#book.incarnation,
      })
    return new Link({ peer, address, hello, clock, random, logger, onConnected, onDisconnected, onDisowned })
  }
}
