import type { LogIndex, NodeId } from '../../raft/index.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import type { PeerItem, Timer, Transport } from '../../src/replica/ports.js'
import { decodeItemsFrom } from '../../src/transport/codec.js'
import {
  decodeHello,
  encodeHello,
  type Hello,
  type PeerBook,
  type Refusal,
  refusal,
  rollback,
} from '../../src/transport/hello.js'
import type { PeerHandlers } from '../../src/transport/index.js'
import { FAREWELL_MS } from '../../src/transport/limits.js'
import { hostOf, type PeerDoor, PeerLink, type PeerNetworkOptions } from './peer-link.js'
import type { Process } from './process.js'

export interface PeerStationParts {
  readonly network: PeerNetworkOptions
  readonly self: NodeId
  /** Which one this node is on. */
  readonly disk: number
  readonly process: Process
  readonly doorAt: (address: string) => PeerDoor | undefined
  readonly onStarted: () => void
  readonly onStopped: () => void
  /** After each item that has been sent. */
  readonly onSent: (item: PeerItem) => void
  readonly turnOut: (peer: NodeId) => void
  /** Somebody is heard from now on. */
  readonly onLetIn: (hello: Hello) => void
}

export const CLUSTER_ID = 'simulated'

const UNDER_WAY: Refusal = { reason: 'it is being written down who that is', loss: undefined }

interface Handlers extends PeerHandlers {
  /** As `TransportOptions` has it. */
  readonly remember: (peer: NodeId, disk: number) => Promise<void> | undefined
  /** Where the log ends, as of now. */
  readonly lastIndex: () => LogIndex
}

/**
 * One process in the peers' network. It dials all that its cluster names, and those whom it has let in; whom it lets in is
 * the product's to say, and who is no member any more is let go after a moment, as `PeerTransport` does it.
 */
export class PeerStation implements Transport, PeerDoor {
  readonly #parts: PeerStationParts
  readonly #links = new Map<NodeId, PeerLink>()
  readonly #guests = new Map<NodeId, Hello>()
  readonly #hellos = new Map<NodeId, Uint8Array>()
  #book: PeerBook = {
    addresses: new Map(),
    configIndex: 0,
    isLed: false,
    disks: new Map(),
    kept: new Map(),
    level: 0,
    incarnation: 0,
  }
  #handlers: Handlers | undefined
  #retirement: Timer | undefined
  #isFenced = false

  constructor(parts: PeerStationParts) {
    this.#parts = parts
  }

  get process(): Process {
    return this.#parts.process
  }

  get links(): ReadonlyMap<NodeId, PeerLink> {
    return this.#links
  }

  async start(handlers: Handlers): Promise<void> {
    this.#handlers = handlers
    this.#parts.onStarted()
    this.#dialNew()
  }

  async stop(): Promise<void> {
    this.end()
    this.#parts.onStopped()
  }

  /** As when its process dies. */
  end(): void {
    this.#handlers = undefined
    this.#retirement?.cancel()
    for (const link of this.#links.values()) link.end()
    this.#links.clear()
  }

  update(book: PeerBook): void {
    this.#book = book
    this.#turnOut(book, ({ loss }) => loss !== undefined)
    for (const { from, disk } of this.#guests.values())
      if (book.addresses.has(from)) void this.#handlers?.remember(from, disk)
    this.#dialNew()
    this.#retireLater()
  }

  fence(): void {
    if (this.#isFenced) return
    this.#isFenced = true
    for (const link of this.#links.values()) link.broken()
  }

  send(to: NodeId, item: PeerItem): void {
    if (this.#isFenced) return
    this.#links.get(to)?.send(item)
    this.#parts.onSent(item)
  }

  /** Honest nodes give no cause for it. */
  closeInbound(peer: NodeId, reason: string): void {
    throw new Error(`node ${peer} breaks the protocol: ${reason}`)
  }

  connected(): ReadonlySet<NodeId> {
    if (this.#isFenced) return new Set()
    return new Set([...this.#links].filter(([, link]) => link.up).map(([peer]) => peer))
  }

  levels(): ReadonlyMap<NodeId, number> {
    return new Map([...this.#guests.values()].map(({ from, level }) => [from, level]))
  }

  greeted(frame: Uint8Array): Refusal | undefined {
    const hello = decodeHello(frame)
    const refused = this.#refusal(hello, this.#book) ?? rollback(hello, this.#book)
    if (refused !== undefined) return refused
    const isMember = this.#book.addresses.has(hello.from)
    // Its next hello will find it done.
    if (isMember && this.#handlers?.remember(hello.from, hello.disk) !== undefined) return UNDER_WAY
    this.#parts.onLetIn(hello)
    this.#links.get(hello.from)?.hurry()
    this.#guests.set(hello.from, hello)
    this.#hellos.set(hello.from, frame)
    this.#dialNew()
    this.#handlers?.onGreeted()
    return undefined
  }

  left(peer: NodeId, frame: Uint8Array): void {
    if (this.#hellos.get(peer) === frame && this.#guests.delete(peer)) this.#retireLater()
  }

  receive(from: NodeId, items: Uint8Array): void {
    if (this.#isFenced) return
    for (const item of decodeItemsFrom(from, items)) this.#handlers?.onItem(from, item)
  }

  #refusal(hello: Hello, book: PeerBook): Refusal | undefined {
    return refusal(hello, { clusterId: CLUSTER_ID, self: this.#parts.self, book })
  }

  #addressOf(peer: NodeId): string {
    return this.#book.addresses.get(peer) || this.#guests.get(peer)?.address || ''
  }

  #dialNew(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    const { network, self, process, doorAt } = this.#parts
    for (const peer of new Set([...this.#book.addresses.keys(), ...this.#guests.keys()])) {
      const address = this.#addressOf(peer)
      const known = this.#links.get(peer)
      if (peer === self || address === '' || known?.address === address) continue
      known?.end()
      const hello = (): Uint8Array => this.#hello(peer, handlers.lastIndex())
      this.#links.set(
        peer,
        new PeerLink({ network, from: self, to: peer, address, process, handlers, hello, doorAt }),
      )
    }
  }

  #hello(to: NodeId, lastIndex: LogIndex): Uint8Array {
    const { self, disk } = this.#parts
    const { configIndex, incarnation } = this.#book
    return encodeHello({
      clusterId: CLUSTER_ID,
      from: self,
      to,
      address: peerAddressOf(self),
      configIndex,
      level: FEATURE_LEVEL,
      disk,
      lastIndex,
      incarnation,
    })
  }

  #retireLater(): void {
    if (this.#handlers === undefined) return
    this.#retirement?.cancel()
    this.#retirement = this.#parts.process.clock.after(FAREWELL_MS, () => this.#retire())
  }

  #retire(): void {
    this.#turnOut({ ...this.#book, isLed: false }, () => true)
    for (const [peer, link] of this.#links) {
      if (this.#addressOf(peer) !== '') continue
      link.end()
      this.#links.delete(peer)
    }
  }

  #turnOut(book: PeerBook, which: (refused: Refusal) => boolean): void {
    for (const hello of [...this.#guests.values()]) {
      const refused = this.#refusal(hello, book)
      if (refused !== undefined && which(refused)) this.#parts.turnOut(hello.from)
    }
  }
}

export function peerAddressOf(id: NodeId): string {
  return `${hostOf(id)}:7002`
}
