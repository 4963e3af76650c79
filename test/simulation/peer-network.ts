import type { NodeId } from '../../raft/index.js'
import type { PeerItem, Timer, Transport, TransportHandlers } from '../../src/replica/ports.js'
import { decodeItems, encodeItems } from '../../src/transport/codec.js'
import { Channel, latencyMs, type Paths, type Weather } from './paths.js'
import type { Process } from './process.js'
import type { Random } from './random.js'
import type { World } from './world.js'

export interface PeerNetworkOptions {
  readonly world: World
  readonly random: Random
  readonly paths: Paths
  readonly weather: Weather
  /**
   * Worse than the port promises: items are lost, doubled, overtake each other, and outlive streams and processes.
   * Otherwise they come as through TCP.
   */
  readonly wild: WildNetwork | undefined
  /** A seam for sabotage: what becomes of an item on its way. */
  readonly tamper: (item: PeerItem) => PeerItem
}

/** Shares of items. */
export interface WildNetwork {
  lost: number
  doubled: number
  /** Come many seconds later. */
  belated: number
}

const BELATED_MS_MAX = 20_000
const REDIAL_MS_MIN = 50
const REDIAL_MS_MAX = 1_000
/** When the pings of a stream that is cut off are given up. */
const PING_MS_MIN = 5_000
const PING_MS_MAX = 10_000

interface Listening {
  readonly process: Process
  readonly handlers: TransportHandlers
}

/** The peers' network: each node dials each other, and sends on the stream that it opened. */
export class PeerNetwork {
  readonly #listening = new Map<NodeId, Listening>()
  readonly #links = new Set<PeerLink>()

  constructor(readonly options: PeerNetworkOptions) {}

  transport(self: NodeId, peers: readonly NodeId[], process: Process): Transport {
    const links = new Map<NodeId, PeerLink>()
    return {
      send: (to, item) => links.get(to)?.send(item),
      start: async (handlers) => {
        this.#listening.set(self, { process, handlers })
        for (const peer of peers) {
          if (peer === self) continue
          const link = new PeerLink(this, self, peer, { process, handlers })
          links.set(peer, link)
          this.#links.add(link)
        }
      },
      connected: () => new Set([...links].filter(([, link]) => link.up).map(([peer]) => peer)),
      stop: async () => this.gone(self),
    }
  }

  /** The process is dead, or has let go of its streams. What it has sent is still under way. */
  gone(id: NodeId): void {
    this.#listening.delete(id)
    for (const link of [...this.#links]) {
      if (link.from === id) {
        link.end()
        this.#links.delete(link)
      } else if (link.to === id) link.broken()
    }
  }

  /** Resets some streams. */
  reset(which: (from: NodeId, to: NodeId) => boolean): void {
    for (const link of this.#links) if (which(link.from, link.to)) link.broken()
  }

  listening(id: NodeId): Listening | undefined {
    return this.#listening.get(id)
  }
}

/** The way from one node to another. */
class PeerLink {
  #channel: Channel | undefined
  #ended = false
  #pings: Timer | undefined
  readonly #stopListening: () => void

  constructor(
    readonly network: PeerNetwork,
    readonly from: NodeId,
    readonly to: NodeId,
    readonly owner: Listening,
  ) {
    this.#stopListening = network.options.paths.onCut(() => this.#watch())
    this.#dial()
  }

  get up(): boolean {
    return this.#channel !== undefined
  }

  send(item: PeerItem): void {
    if (this.#channel === undefined || this.#ended) return
    const { wild, random, tamper } = this.network.options
    const bytes = encodeItems([tamper(item)])
    if (wild === undefined) this.#channel.send(() => this.#arrive(bytes))
    else if (!random.chance(wild.lost)) {
      this.#stray(bytes)
      if (random.chance(wild.doubled)) this.#stray(bytes)
    }
  }

  /** The connection is reset; both sides learn of it when a packet can pass. */
  broken(): void {
    if (this.#channel === undefined) return
    this.#channel.close()
    this.#channel = undefined
    const { world, paths, random, weather } = this.network.options
    const tell = (): void => {
      world.plan(latencyMs(weather, random), () => {
        if (!this.#ended) this.owner.process.take(() => this.owner.handlers.onDisconnected(this.to))
        this.#redial()
      })
    }
    if (paths.isOpen(this.#host(this.to), this.#host(this.from))) tell()
    else paths.whenOpen(this.#host(this.to), this.#host(this.from), tell)
  }

  /** The sender's process is gone. */
  end(): void {
    this.#ended = true
    this.#pings?.cancel()
    this.#stopListening()
  }

  #dial(): void {
    const { world, weather, random, paths } = this.network.options
    world.plan(latencyMs(weather, random), () => {
      const reachable = this.network.listening(this.to)?.process.alive && this.#isClear()
      if (this.#ended || this.#channel !== undefined) return
      if (!reachable) return this.#redial()
      this.#channel = new Channel(world, random, paths, weather, this.#host(this.from), this.#host(this.to))
      this.owner.process.take(() => this.owner.handlers.onConnected(this.to))
    })
  }

  #redial(): void {
    if (this.#ended) return
    const { world, random } = this.network.options
    world.plan(random.between(REDIAL_MS_MIN, REDIAL_MS_MAX), () => !this.#ended && this.#dial())
  }

  /** Something was cut. If it is this link, and for long, its pings will find out. */
  #watch(): void {
    if (this.#channel === undefined || this.#pings !== undefined || this.#isClear()) return
    const { world, random } = this.network.options
    const channel = this.#channel
    this.#pings = world.plan(random.between(PING_MS_MIN, PING_MS_MAX), () => {
      this.#pings = undefined
      if (this.#channel !== channel || this.#isClear()) return
      channel.close()
      this.#channel = undefined
      this.owner.process.take(() => this.owner.handlers.onDisconnected(this.to))
      this.#redial()
    })
  }

  #stray(bytes: Uint8Array): void {
    const { world, weather, random, paths, wild } = this.network.options
    const belated = random.chance(wild?.belated ?? 0) ? random.between(0, BELATED_MS_MAX) : 0
    world.plan(belated + latencyMs(weather, random), () => {
      if (paths.isOpen(this.#host(this.from), this.#host(this.to))) this.#arrive(bytes)
    })
  }

  #arrive(bytes: Uint8Array): void {
    const receiver = this.network.listening(this.to)
    receiver?.process.take(() => {
      for (const item of decodeItems(bytes)) receiver.handlers.onItem(this.from, item)
    })
  }

  #isClear(): boolean {
    return this.network.options.paths.isClear(this.#host(this.from), this.#host(this.to))
  }

  #host(id: NodeId): string {
    return hostOf(id)
  }
}

export function hostOf(id: NodeId): string {
  return `n${id}`
}
