import type { Logger } from 'pino'
import { type NodeId, reached } from '../../raft/index.js'
import { LOW_ON_SPACE_SINCE } from '../machine/roster/feature-level.js'
import type { Clock, LowOnSpaceItem, Timer, Transport } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'

export interface FreeSpaceParts {
  readonly self: NodeId
  readonly replica: Pick<Replica, 'status' | 'handOver' | 'machine'>
  readonly transport: Pick<Transport, 'send' | 'connected'>
  readonly clock: Clock
  /** Bytes that can still be written to this node's disk. */
  readonly measure: () => Promise<number>
  readonly reserveBytes: number
  readonly logger: Pick<Logger, 'warn' | 'info'>
}

const BYTES_PER_MIB = 1024 * 1024
const LOOK_MS = 1_000
/** A word may be lost, or late. */
const WORD_MS = 3 * LOOK_MS
/** A leader proposes nothing while it hands over, and the heir may not be able to. */
const HAND_OVER_EVERY_MS = 30_000
const RESERVE_BYTES_MIN = 64 * BYTES_PER_MIB
const RESERVE_INTERVALS = 16

/**
 * What a disk needs to go on when nothing is added any more: renewals and releases are logged and checkpointed like
 * everything else, and LevelDB writes what it compacts anew before it drops the old.
 */
export function reserveBytes(checkpointBytes: number): number {
  return RESERVE_BYTES_MIN + RESERVE_INTERVALS * checkpointBytes
}

/**
 * Whether there is room for more (fault 29). A node with less free space than its reserve says so, every second, and does
 * not lead where another can. Whatever adds to the state is turned away at every door as long as no majority can be had
 * without a node that is low: so a single full disk stops nobody, and what ends or renews still finds the reserve.
 */
export class FreeSpace {
  readonly #parts: FreeSpaceParts
  /** Who is low, this node among them, by its last word. */
  readonly #low = new Map<NodeId, LowOnSpaceItem & { readonly heardMs: number }>()
  #handOverDueMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #stopped = false

  constructor(parts: FreeSpaceParts) {
    this.#parts = parts
  }

  /** Resolves when the disk has been looked at for the first time. */
  start(): Promise<void> {
    return this.#look()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** A peer is low. It says so as long as it is. */
  told(from: NodeId, item: LowOnSpaceItem): void {
    this.#low.set(from, { ...item, heardMs: this.#parts.clock.nowMs() })
  }

  /** Why nothing may be added now, and what to do; undefined if there is room. */
  get shortage(): string | undefined {
    if (this.#low.size === 0) return undefined
    const low = this.#lowNow()
    const { self, replica, transport } = this.#parts
    const { config } = replica.status
    const connected = transport.connected()
    const isMajority = (belongs: (id: NodeId) => boolean): boolean =>
      config.voters.length > 0 && reached(config, (id) => (belongs(id) ? 1 : 0)) === 1
    const isInReach = (id: NodeId): boolean => id === self || connected.has(id)
    // Without a majority at all, that is what there is to say.
    if (!isMajority(isInReach) || isMajority((id) => isInReach(id) && !low.has(id))) return undefined
    const nodes = [...low].map(describe).join(', ')
    return `too little room on disk for anything new: ${nodes}; make room there. Releases and renewals are taken, and this may be repeated with the same numbers`
  }

  #lowNow(): ReadonlyMap<NodeId, LowOnSpaceItem> {
    const since = this.#parts.clock.nowMs() - WORD_MS
    for (const [id, { heardMs }] of this.#low) if (heardMs < since) this.#low.delete(id)
    return this.#low
  }

  async #look(): Promise<void> {
    try {
      const freeBytes = await this.#parts.measure()
      if (!this.#stopped) this.#measured(freeBytes)
    } catch (error) {
      this.#parts.logger.warn({ err: error }, "can't tell how much space the disk has left")
    }
    if (!this.#stopped) this.#timer = this.#parts.clock.after(LOOK_MS, () => void this.#look())
  }

  #measured(freeBytes: number): void {
    const { self, reserveBytes, replica, transport, logger } = this.#parts
    const wasLow = this.#low.has(self)
    if (freeBytes >= reserveBytes) {
      this.#low.delete(self)
      if (wasLow) logger.info({ freeBytes, reserveBytes }, 'the disk has room again')
      return
    }
    if (!wasLow) logger.warn({ freeBytes, reserveBytes }, 'the disk is low on space: make room')
    const item: LowOnSpaceItem = { kind: 'low_on_space', freeBytes, reserveBytes }
    this.told(self, item)
    if (replica.machine.level >= LOW_ON_SPACE_SINCE)
      for (const peer of transport.connected()) transport.send(peer, item)
    if (replica.status.role === 'leader') this.#handOver()
  }

  #handOver(): void {
    const { replica, clock } = this.#parts
    if (clock.nowMs() < this.#handOverDueMs) return
    this.#handOverDueMs = clock.nowMs() + HAND_OVER_EVERY_MS
    const low = this.#lowNow()
    void replica.handOver((peer) => !low.has(peer))
  }
}

function describe([id, { freeBytes, reserveBytes }]: readonly [NodeId, LowOnSpaceItem]): string {
  return `node ${id} has ${mib(freeBytes)} MiB left (its reserve is ${mib(reserveBytes)} MiB)`
}

function mib(bytes: number): number {
  return Math.floor(bytes / BYTES_PER_MIB)
}
