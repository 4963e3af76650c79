import type { NodeId } from '../../raft/index.js'
import type { DiskChange, MemoryDisk } from '../suites/memory-disk.js'
import type { DiskLoss } from './disk-loss.js'
import type { Node } from './node.js'
import type { Process } from './process.js'

/** The leader's life so far, when it made an entry. */
export interface Stamp {
  readonly term: number
  readonly awakeMs: number
  readonly stops: number
}

/** How long a sync takes. */
export interface SyncMs {
  readonly min: number
  readonly max: number
}

/** What a node does to the world: something sent, a part of a snapshot sent, or a change of its disk begun. */
export type Effect = 'send' | 'snapshot' | DiskChange

/** The node crashes in the midst of the `count`-th such effect from now on. */
export interface Fuse {
  readonly effect: Effect
  count: number
  /** It has happened. */
  readonly then: () => void
}

/** A machine: what stays when its process dies. */
export interface Site {
  readonly id: NodeId
  /** Was not there from the beginning. */
  readonly joins: boolean
  /** For ever: scrapped, or burnt down. */
  gone: boolean
  readonly disk: MemoryDisk
  readonly clockRate: number
  syncMs: SyncMs
  fuse: Fuse | undefined
  stopping: boolean
  /** Since its disk was emptied, or put back to an earlier copy. */
  loss: DiskLoss | undefined
  node: Node | undefined
  process: Process | undefined
}
