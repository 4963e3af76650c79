import type { Logger } from 'pino'
import { type NodeId, reached } from '../../raft/index.js'
import { LOW_ON_MEMORY_SINCE, LOW_ON_SPACE_SINCE } from '../machine/roster/feature-level.js'
import type { Clock, LowItem, Resource, Timer, Transport } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'

/** Tells how much of a resource this node has left. */
export interface Gauge {
  readonly resource: Resource
  readonly measure: () => number | Promise<number>
  readonly reserveBytes: number
  /** From one look to the next: less than it takes to use up the reserve. */
  readonly everyMs: number
}

export interface ReservesParts {
  readonly self: NodeId
  readonly replica: Pick<Replica, 'status' | 'handOver' | 'machine'>
  readonly transport: Pick<Transport, 'send' | 'connected'>
  readonly clock: Clock
  readonly gauges: readonly Gauge[]
  readonly logger: Pick<Logger, 'warn' | 'info'>
}

/** What a gauge showed last. */
export interface Reading {
  readonly resource: Resource
  readonly freeBytes: number
  readonly reserveBytes: number
}

const BYTES_PER_MIB = 1024 * 1024
/** A word may be lost, or late. */
const WORD_MS = 3_000
/** A leader proposes nothing while it hands over, and the heir may not be able to. */
const HAND_OVER_EVERY_MS = 30_000

/** `since`: a peer of a version that knows less breaks off at the word. */
const RESOURCES: Readonly<Record<Resource, { since: number; lack: string; left: string; remedy: string }>> = {
  disk: {
    since: LOW_ON_SPACE_SINCE,
    lack: 'too little room on disk',
    left: 'left',
    remedy: 'make room there',
  },
  memory: {
    since: LOW_ON_MEMORY_SINCE,
    lack: 'too little memory',
    left: 'of its heap left',
    remedy: 'end what is not needed, or start the nodes with a larger heap (--max-old-space-size)',
  },
}

interface Word {
  readonly item: LowItem
  readonly heardMs: number
}

/**
 * Whether there is room for more, on the disks (fault 29) and in the memory of the nodes. A node with less than its reserve
 * says so as long as it is; one whose disk is low does not lead where another can. Whatever adds to the state is turned away at every door as
 * long as no majority can be had without a node that is low: so a single low node stops nobody, and what ends or renews
 * still finds the reserve.
 */
export class Reserves {
  readonly #parts: ReservesParts
  /** Who is low, this node among them, by its last word. */
  readonly #low = { disk: new Map<NodeId, Word>(), memory: new Map<NodeId, Word>() }
  readonly #readings = new Map<Resource, Reading>()
  readonly #timers = new Map<Gauge, Timer>()
  #handOverDueMs = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(parts: ReservesParts) {
    this.#parts = parts
  }

  /** Resolves when all has been looked at for the first time. */
  async start(): Promise<void> {
    await Promise.all(this.#parts.gauges.map((gauge) => this.#look(gauge)))
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers.values()) timer.cancel()
  }

  /** A peer is low. It says so as long as it is. */
  told(from: NodeId, item: LowItem): void {
    this.#low[item.resource].set(from, { item, heardMs: this.#parts.clock.nowMs() })
  }

  /** Of this node. */
  get readings(): readonly Reading[] {
    return [...this.#readings.values()]
  }

  /** Why nothing may be added now, and what to do; undefined if there is room. */
  get shortage(): string | undefined {
    if (this.#low.disk.size === 0 && this.#low.memory.size === 0) return undefined
    const [disk, memory] = [this.#lowNow('disk'), this.#lowNow('memory')]
    if (this.#hasMajorityWithout((id) => disk.has(id) || memory.has(id))) return undefined
    const lacks = [explain('disk', disk), explain('memory', memory)]
      .filter((lack) => lack !== '')
      .join(', and ')
    return `${lacks}. Releases and renewals are taken, and this may be repeated with the same numbers`
  }

  /** Also if there is no majority at all: then that is what there is to say. */
  #hasMajorityWithout(isLow: (id: NodeId) => boolean): boolean {
    const { self, replica, transport } = this.#parts
    const { config } = replica.status
    const connected = transport.connected()
    const isMajority = (belongs: (id: NodeId) => boolean): boolean =>
      config.voters.length > 0 && reached(config, (id) => (belongs(id) ? 1 : 0)) === 1
    const isInReach = (id: NodeId): boolean => id === self || connected.has(id)
    return !isMajority(isInReach) || isMajority((id) => isInReach(id) && !isLow(id))
  }

  #lowNow(resource: Resource): ReadonlyMap<NodeId, Word> {
    const low = this.#low[resource]
    const since = this.#parts.clock.nowMs() - WORD_MS
    for (const [id, { heardMs }] of low) if (heardMs < since) low.delete(id)
    return low
  }

  async #look(gauge: Gauge): Promise<void> {
    const { clock, logger } = this.#parts
    try {
      const freeBytes = await gauge.measure()
      if (!this.#stopped) this.#measured(gauge, freeBytes)
    } catch (error) {
      logger.warn({ err: error, resource: gauge.resource }, "can't tell how much is left")
    }
    if (!this.#stopped)
      this.#timers.set(
        gauge,
        clock.after(gauge.everyMs, () => void this.#look(gauge)),
      )
  }

  #measured({ resource, reserveBytes }: Gauge, freeBytes: number): void {
    const { self, replica, transport, logger } = this.#parts
    const wasLow = this.#low[resource].has(self)
    this.#readings.set(resource, { resource, freeBytes, reserveBytes })
    if (freeBytes >= reserveBytes) {
      this.#low[resource].delete(self)
      if (wasLow) logger.info({ resource, freeBytes, reserveBytes }, 'there is room again')
      return
    }
    const { since, lack, remedy } = RESOURCES[resource]
    if (!wasLow) logger.warn({ resource, freeBytes, reserveBytes }, `${lack}: ${remedy}`)
    const item: LowItem = { kind: 'low', resource, freeBytes, reserveBytes }
    this.told(self, item)
    if (replica.machine.level >= since) for (const peer of transport.connected()) transport.send(peer, item)
    // All nodes hold the same in memory: the next leader would be as low soon, and a client could chase leadership around.
    if (resource === 'disk' && replica.status.role === 'leader') this.#handOver()
  }

  #handOver(): void {
    const { replica, clock } = this.#parts
    if (clock.nowMs() < this.#handOverDueMs) return
    this.#handOverDueMs = clock.nowMs() + HAND_OVER_EVERY_MS
    const low = this.#lowNow('disk')
    void replica.handOver((peer) => !low.has(peer))
  }
}

function explain(resource: Resource, low: ReadonlyMap<NodeId, Word>): string {
  if (low.size === 0) return ''
  const { lack, left, remedy } = RESOURCES[resource]
  const nodes = [...low].map(([id, { item }]) => {
    return `node ${id} has ${mib(item.freeBytes)} MiB ${left} (its reserve is ${mib(item.reserveBytes)} MiB)`
  })
  return `${lack} for anything new: ${nodes.join(', ')}; ${remedy}`
}

function mib(bytes: number): number {
  return Math.floor(bytes / BYTES_PER_MIB)
}
