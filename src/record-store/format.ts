import type { LogStart } from '../../raft/index.js'
import { faultOf, SEAL_BYTES, seal } from '../leveldb/seal.js'
import { DAMAGE_REMEDY, DamagedRecordsError, type StateRecord } from '../replica/ports.js'
import type { Totals } from './totals.js'

/**
 * Keys and values on disk, each value sealed by its record's key:
 *
 *     checkpoint   {"start": …, "totals": …} as JSON; absent until the first checkpoint
 *     r/<key>      the record's value
 */
export const CHECKPOINT_KEY = 'checkpoint'
const RECORD_PREFIX = 'r/'

/** The rows that are records. */
export const RECORD_ROWS = { gt: RECORD_PREFIX, lt: 'r0' } as const

export interface Checkpoint {
  readonly start: LogStart
  /** Of its records. */
  readonly totals: Totals
}

export function rowKey(key: string): string {
  return RECORD_PREFIX + key
}

export function recordKey(rowKey: string): string {
  return rowKey.slice(RECORD_PREFIX.length)
}

export function sealRecord(key: string, value: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafe(SEAL_BYTES + value.length)
  sealed.set(value, SEAL_BYTES)
  return seal(key, sealed)
}

/** The value is a view of `sealed`. Throws a `DamagedRecordsError`. */
export function openRecord(key: string, sealed: Buffer): StateRecord {
  checkSeal(key, sealed)
  return { key, value: sealed.subarray(SEAL_BYTES) }
}

export function encodeCheckpoint({ start, totals }: Checkpoint): Buffer {
  return sealRecord(CHECKPOINT_KEY, Buffer.from(JSON.stringify({ start, totals })))
}

/** Throws a `DamagedRecordsError`. */
export function decodeCheckpoint(sealed: Buffer): Checkpoint {
  checkSeal(CHECKPOINT_KEY, sealed)
  return JSON.parse(sealed.toString('utf8', SEAL_BYTES)) as Checkpoint
}

export function damaged(key: string, what: string, options?: ErrorOptions): DamagedRecordsError {
  return new DamagedRecordsError(
    `the checkpoint on disk is damaged at record '${key}': ${what}; ${DAMAGE_REMEDY}`,
    options,
  )
}

function checkSeal(key: string, sealed: Buffer): void {
  const fault = faultOf(key, sealed, SEAL_BYTES)
  if (fault !== undefined) throw damaged(key, fault)
}
