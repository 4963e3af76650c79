import { crc32 } from 'node:zlib'
import type { Entry, HardState, LogIndex, Term } from '../../raft/index.js'
import { DamagedLogError } from '../replica/ports.js'

/**
 * Keys and values on disk. Every value is sealed: a format version byte, the CRC-32 of the rest, the rest. LevelDB does
 * not check what it reads from its tables, and drops what it can't read from its own log.
 *
 *     identity                {"clusterId": …, "nodeId": …} as JSON
 *     hard-state              term, vote
 *     log/<index, 16 digits>  index, term, term of the entry before, payload
 *
 * Numbers are big-endian, 48 bits.
 */
const FORMAT = 1
const SEAL_BYTES = 5
const NUMBER_BYTES = 6
const PAYLOAD_AT = SEAL_BYTES + 3 * NUMBER_BYTES

export const IDENTITY_KEY = 'identity'
export const HARD_STATE_KEY = 'hard-state'
const LOG_PREFIX = 'log/'
const INDEX_DIGITS = 16

export interface Identity {
  readonly clusterId: string
  readonly nodeId: number
}

/**
 * With the term of the entry before it, an entry vouches for its whole past: two logs that agree on index and term of
 * an entry agree on everything before it (Log Matching, §3.5). So a truncation that the disk forgot is found too.
 */
export interface LoggedEntry {
  readonly entry: Entry
  readonly previousTerm: Term
}

export function logKey(index: LogIndex): string {
  return LOG_PREFIX + String(index).padStart(INDEX_DIGITS, '0')
}

export function encodeEntry(entry: Entry, previousTerm: Term): Buffer {
  const value = Buffer.allocUnsafe(PAYLOAD_AT + entry.payload.length)
  let at = value.writeUIntBE(entry.index, SEAL_BYTES, NUMBER_BYTES)
  at = value.writeUIntBE(entry.term, at, NUMBER_BYTES)
  value.writeUIntBE(previousTerm, at, NUMBER_BYTES)
  value.set(entry.payload, PAYLOAD_AT)
  return seal(value)
}

/** The payload is a view of `value`, which must not be reused. */
export function decodeEntry(key: string, value: Buffer): LoggedEntry {
  checkSeal(key, value, PAYLOAD_AT)
  const index = value.readUIntBE(SEAL_BYTES, NUMBER_BYTES)
  const term = value.readUIntBE(SEAL_BYTES + NUMBER_BYTES, NUMBER_BYTES)
  const previousTerm = value.readUIntBE(SEAL_BYTES + 2 * NUMBER_BYTES, NUMBER_BYTES)
  return { entry: { index, term, payload: value.subarray(PAYLOAD_AT) }, previousTerm }
}

export function encodeHardState({ term, vote }: HardState): Buffer {
  const value = Buffer.alloc(SEAL_BYTES + 2 * NUMBER_BYTES)
  value.writeUIntBE(vote, value.writeUIntBE(term, SEAL_BYTES, NUMBER_BYTES), NUMBER_BYTES)
  return seal(value)
}

export function decodeHardState(value: Buffer): HardState {
  checkSeal(HARD_STATE_KEY, value, SEAL_BYTES + 2 * NUMBER_BYTES)
  const term = value.readUIntBE(SEAL_BYTES, NUMBER_BYTES)
  return { term, vote: value.readUIntBE(SEAL_BYTES + NUMBER_BYTES, NUMBER_BYTES) }
}

export function encodeIdentity({ clusterId, nodeId }: Identity): Buffer {
  const text = Buffer.from(JSON.stringify({ clusterId, nodeId }))
  return seal(Buffer.concat([Buffer.alloc(SEAL_BYTES), text]))
}

export function decodeIdentity(value: Buffer): Identity {
  checkSeal(IDENTITY_KEY, value, SEAL_BYTES)
  return JSON.parse(value.toString('utf8', SEAL_BYTES)) as Identity
}

export function damaged(key: string, what: string, options?: ErrorOptions): DamagedLogError {
  const remedy =
    'this node must not vote: keep it stopped, and never start it with an emptied data directory, since it has promised things that it would no longer know; the cluster runs on with a majority of the others'
  return new DamagedLogError(`the log on disk is damaged at key '${key}': ${what}; ${remedy}`, options)
}

function seal(value: Buffer): Buffer {
  value[0] = FORMAT
  value.writeUInt32BE(crc32(value.subarray(SEAL_BYTES)), 1)
  return value
}

function checkSeal(key: string, value: Buffer, bytesMin: number): void {
  if (value.length < bytesMin) throw damaged(key, `${value.length} bytes are too few`)
  if (crc32(value.subarray(SEAL_BYTES)) !== value.readUInt32BE(1))
    throw damaged(key, 'its checksum does not match')
  if (value[0] !== FORMAT) throw damaged(key, `format ${value[0]}, and this version reads format ${FORMAT}`)
}
