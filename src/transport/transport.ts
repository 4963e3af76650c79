import type { Logger } from 'pino'
import { assert, type NodeId } from '../../raft/index.js'
import type { Clock, PeerItem, Transport, TransportHandlers } from '../replica/ports.js'
import { encodeHello } from './hello.js'
import { Link } from './link.js'
import { Listener } from './listener.js'

export interface TransportOptions {
  readonly self: NodeId
  readonly clusterId: string
  /** 'host:port' for the peers to dial. */
  readonly listen: string
  /** 'host:port' of each member; `self` may be among them. */
  readonly peers: ReadonlyMap<NodeId, string>
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly logger: Logger
}

/** Peers over gRPC. Every node dials every other; items travel on the stream that their sender opened. */
export function createTransport(options: TransportOptions): Transport {
  return new PeerTransport(options)
}

class PeerTransport implements Transport {
  readonly #options: TransportOptions
  readonly #links = new Map<NodeId, Link>()
  #listener: Listener | undefined

  constructor(options: TransportOptions) {
    this.#options = options
  }

  /** Rejects with a `ListenError`; then nothing was started. */
  async start(handlers: TransportHandlers): Promise<void> {
    assert(this.#listener === undefined, 'a transport is started once')
    const { self, clusterId, listen, clock, logger } = this.#options
    const peers = [...this.#options.peers].filter(([peer]) => peer !== self)
    const receiver = { clusterId, self, peers: new Set(peers.map(([peer]) => peer)) }
    this.#listener = new Listener({ receiver, clock, logger, onItem: handlers.onItem })
    for (const [peer, address] of peers) this.#links.set(peer, this.#link(peer, address, handlers))
    await this.#listener.listen(listen)
    for (const link of this.#links.values()) link.dial()
  }

  send(to: NodeId, item: PeerItem): void {
    this.#links.get(to)?.send(item)
  }

  connected(): ReadonlySet<NodeId> {
    const connected = new Set<NodeId>()
    for (const [peer, link] of this.#links) if (link.connected) connected.add(peer)
    return connected
  }

  async stop(): Promise<void> {
    for (const link of this.#links.values()) link.stop()
    this.#links.clear()
    this.#listener?.stop()
  }

  #link(peer: NodeId, address: string, { onConnected, onDisconnected }: TransportHandlers): Link {
    const { self, clusterId, clock, random, logger } = this.#options
    const hello = encodeHello(clusterId, self, peer)
    return new Link({ peer, address, hello, clock, random, logger, onConnected, onDisconnected })
  }
}
