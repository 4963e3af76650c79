import type { Gauge } from './reserves.js'

const BYTES_PER_MIB = 1024 * 1024
const DISK_EVERY_MS = 1_000
const DISK_RESERVE_BYTES_MIN = 64 * BYTES_PER_MIB
const DISK_RESERVE_CHECKPOINTS = 16
/** Clients can take some 50 MB of locks a second. */
const MEMORY_EVERY_MS = 100
/** A peer's snapshot becomes a machine beside the one in force, which is about as large. */
const MEMORY_RESERVE_SHARE = 1 / 2

/**
 * What a disk needs to go on when nothing is added any more: renewals and releases are logged and checkpointed like
 * everything else, and LevelDB writes what it compacts anew before it drops the old.
 */
export function diskGauge(checkpointBytes: number, measure: () => Promise<number>): Gauge {
  const reserveBytes = DISK_RESERVE_BYTES_MIN + DISK_RESERVE_CHECKPOINTS * checkpointBytes
  return { resource: 'disk', measure, reserveBytes, everyMs: DISK_EVERY_MS }
}

/** Half of the heap: so a node that starts again, or catches up by a snapshot, has room for all that was taken. */
export function memoryGauge(limitBytes: number, measure: () => number): Gauge {
  const reserveBytes = Math.floor(limitBytes * MEMORY_RESERVE_SHARE)
  return { resource: 'memory', measure, reserveBytes, everyMs: MEMORY_EVERY_MS }
}
