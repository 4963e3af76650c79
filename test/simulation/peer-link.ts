import type { NodeId } from '../../raft/index.js'
import type { PeerItem, Timer } from '../../src/replica/ports.js'
import { encodeItems } from '../../src/transport/codec.js'
import type { Refusal } from '../../src/transport/hello.js'
import type { PeerHandlers } from '../../src/transport/index.js'
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
  /** Whether no transfer of leadership succeeds now: the transferee doesn't hear of it. */
  readonly losesTransfers: () => boolean
}

/** Shares of items. */
export interface WildNetwork {
  lost: number
  doubled: number
  /** Come many seconds later. */
  belated: number
}

/** Where a process is reached by its peers. */
export interface PeerDoor {
  readonly process: Process
  /** A stranger or a peer says who it is. Returns why it is not let in; if it is, `left` follows when its stream ends. */
  greeted(hello: Uint8Array): Refusal | undefined
  /** With the very hello of that stream: it may have come back before. */
  left(peer: NodeId, hello: Uint8Array): void
  receive(from: NodeId, items: Uint8Array): void
}

export interface PeerLinkParts {
  readonly network: PeerNetworkOptions
  readonly from: NodeId
  readonly to: NodeId
  readonly address: string
  /** Of the sender. */
  readonly process: Process
  readonly handlers: PeerHandlers
  /** Made anew for each attempt. */
  readonly hello: () => Uint8Array
  /** Who listens there now. */
  readonly doorAt: (address: string) => PeerDoor | undefined
}

const BELATED_MS_MAX = 20_000
const REDIAL_MS_MIN = 50
const REDIAL_MS_MAX = 1_000
/** When the pings of a stream that is cut off are given up. */
const PING_MS_MIN = 5_000
const PING_MS_MAX = 10_000

/** The way from one node to another: dials for ever, and carries items while it is let in. */
export class PeerLink {
  readonly #parts: PeerLinkParts
  #channel: Channel | undefined
  /** What opened the channel. */
  #hello: Uint8Array | undefined
  #ended = false
  #retry: Timer | undefined
  #pings: Timer | undefined
  readonly #stopListening: () => void

  constructor(parts: PeerLinkParts) {
    this.#parts = parts
    this.#stopListening = parts.network.paths.onCut(() => this.#watch())
    this.#dial()
  }

  get address(): string {
    return this.#parts.address
  }

  get up(): boolean {
    return this.#channel !== undefined
  }

  /** The peer is there: no need to wait for the next attempt. */
  hurry(): void {
    if (this.#retry === undefined) return
    this.#retry.cancel()
    this.#dial()
  }

  send(item: PeerItem): void {
    if (this.#channel === undefined || this.#ended) return
    const { wild, random, tamper, losesTransfers } = this.#parts.network
    if (item.kind === 'raft' && item.message.kind === 'timeout_now' && losesTransfers()) return
    const bytes = encodeItems([tamper(item)])
    if (wild === undefined) this.#channel.send(() => this.#arrive(bytes))
    else if (!random.chance(wild.lost)) {
      this.#stray(bytes)
      if (random.chance(wild.doubled)) this.#stray(bytes)
    }
  }

  /** The stream is reset; both sides learn of it when a packet can pass. */
  broken(): void {
    if (this.#channel === undefined) return
    this.#close()
    const { paths, world, weather, random } = this.#parts.network
    const [sender, receiver] = this.#hosts
    const tell = (): void => {
      world.plan(latencyMs(weather, random), () => {
        this.#disconnected()
        this.#redial()
      })
    }
    if (paths.isOpen(receiver, sender)) tell()
    else paths.whenOpen(receiver, sender, tell)
  }

  /** By the sender, or with it. What is under way still arrives. */
  end(): void {
    this.#ended = true
    this.#retry?.cancel()
    this.#pings?.cancel()
    this.#stopListening()
    this.#channel?.send(() => this.#left())
  }

  #close(): void {
    this.#channel?.close()
    this.#channel = undefined
    this.#left()
  }

  #left(): void {
    const { from, address, doorAt } = this.#parts
    const door = doorAt(address)
    const hello = this.#hello
    if (hello !== undefined) door?.process.take(() => door.left(from, hello))
  }

  #disconnected(): void {
    const { process, handlers, to } = this.#parts
    if (!this.#ended) process.take(() => handlers.onDisconnected(to))
  }

  /** Who is stopped says no hello, and answers none. */
  #dial(): void {
    const { network, process, handlers, to, address, hello, doorAt } = this.#parts
    const { world, weather, random, paths } = network
    const said = hello()
    this.#retry = undefined
    world.plan(latencyMs(weather, random), () => {
      if (this.#ended || this.#channel !== undefined) return
      const door = doorAt(address)
      const isReached = door?.process.awake && process.awake && this.#isClear()
      if (!isReached) return this.#redial()
      const refused = door.greeted(said)
      if (refused !== undefined) {
        this.#redial()
        if (refused.loss !== undefined) handlers.onDisowned(to, refused.reason, refused.loss)
        return
      }
      this.#hello = said
      this.#channel = new Channel(world, random, paths, weather, ...this.#hosts)
      handlers.onConnected(to)
    })
  }

  #redial(): void {
    if (this.#ended) return
    const { world, random } = this.#parts.network
    this.#retry = world.plan(random.between(REDIAL_MS_MIN, REDIAL_MS_MAX), () => this.#dial())
  }

  /** Something was cut. If it is this link, and for long, its pings will find out. */
  #watch(): void {
    if (this.#channel === undefined || this.#pings !== undefined || this.#isClear()) return
    const { world, random } = this.#parts.network
    const channel = this.#channel
    this.#pings = world.plan(random.between(PING_MS_MIN, PING_MS_MAX), () => {
      this.#pings = undefined
      if (this.#channel !== channel || this.#isClear()) return
      this.#close()
      this.#disconnected()
      this.#redial()
    })
  }

  #stray(bytes: Uint8Array): void {
    const { world, weather, random, paths, wild } = this.#parts.network
    const belated = random.chance(wild?.belated ?? 0) ? random.between(0, BELATED_MS_MAX) : 0
    world.plan(belated + latencyMs(weather, random), () => {
      if (paths.isOpen(...this.#hosts)) this.#arrive(bytes)
    })
  }

  #arrive(bytes: Uint8Array): void {
    const { from, address, doorAt } = this.#parts
    const door = doorAt(address)
    door?.process.take(() => door.receive(from, bytes))
  }

  #isClear(): boolean {
    return this.#parts.network.paths.isClear(...this.#hosts)
  }

  get #hosts(): readonly [from: string, to: string] {
    return [hostOf(this.#parts.from), hostOf(this.#parts.to)]
  }
}

export function hostOf(id: NodeId): string {
  return `n${id}`
}
