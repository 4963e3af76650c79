import type { Configuration, Entry, HardState, LogIndex, LogStart, Term } from '../../raft/index.js'
import { faultOf, SEAL_BYTES, seal } from '../leveldb/seal.js'
import { DAMAGE_REMEDY, DamagedLogError } from '../replica/ports.js'

/**
 * Keys and values on disk, each value sealed (`seal.ts`): LevelDB does not check what it reads from its tables, and drops
 * what it can't read from its own log.
 *
 *     hard-state              term, vote, then the head: last index, last term, number of the write
 *     identity                {"clusterId": …, "nodeId": …, "votes": …, "disk": …} as JSON
 *     log-start               {"generation": …, "start": …} as JSON; absent while nothing was compacted
 *     log/<index, 16 digits>  index, term, term of the entry before, bytes of the configuration, that as JSON, payload
 *
 * Numbers are big-endian, 48 bits. Format 1 had neither heads nor configurations.
 */
const NUMBER_BYTES = 6
const HARD_STATE_BYTES = SEAL_BYTES + 2 * NUMBER_BYTES
const HEAD_BYTES = HARD_STATE_BYTES + 3 * NUMBER_BYTES
const CONFIG_BYTES_AT = SEAL_BYTES + 3 * NUMBER_BYTES
const CONFIG_AT = CONFIG_BYTES_AT + NUMBER_BYTES

export const IDENTITY_KEY = 'identity'
export const HARD_STATE_KEY = 'hard-state'
export const LOG_START_KEY = 'log-start'
export const LOG_PREFIX = 'log/'
const INDEX_DIGITS = 16

export interface Identity {
  readonly clusterId: string
  readonly nodeId: number
  /** Of a later life only: whether it is to have a vote, as the one before had. */
  readonly votes?: boolean
}

/** What a data directory is: never changed, and never made twice. */
export interface DiskIdentity extends Identity {
  /** Drawn at random when the directory was made: one that was emptied comes back as another. */
  readonly disk: number
}

/** Where the log ends, written with every batch: entries missing from its end are noticed. */
export interface Head {
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  /** Batches written in the life of this directory. */
  readonly writes: number
}

/** Where the log begins, and in which `records-<generation>` the checkpoint is that has what came before. */
export interface LogBase {
  readonly generation: number
  /** Undefined: nothing was compacted yet. */
  readonly start: LogStart | undefined
}

export const FIRST_BASE: LogBase = { generation: 1, start: undefined }

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

export function encodeEntry({ index, term, payload, config }: Entry, previousTerm: Term): Buffer {
  const members = config === undefined ? undefined : Buffer.from(JSON.stringify(config))
  const payloadAt = CONFIG_AT + (members?.length ?? 0)
  const value = Buffer.allocUnsafe(payloadAt + payload.length)
  let at = value.writeUIntBE(index, SEAL_BYTES, NUMBER_BYTES)
  at = value.writeUIntBE(term, at, NUMBER_BYTES)
  at = value.writeUIntBE(previousTerm, at, NUMBER_BYTES)
  at = value.writeUIntBE(members?.length ?? 0, at, NUMBER_BYTES)
  if (members !== undefined) value.set(members, at)
  value.set(payload, payloadAt)
  return seal(logKey(index), value)
}

/** The payload is a view of `value`, which must not be reused. */
export function decodeEntry(key: string, value: Buffer): LoggedEntry {
  checkSeal(key, value, CONFIG_BYTES_AT)
  const index = value.readUIntBE(SEAL_BYTES, NUMBER_BYTES)
  const term = value.readUIntBE(SEAL_BYTES + NUMBER_BYTES, NUMBER_BYTES)
  const previousTerm = value.readUIntBE(SEAL_BYTES + 2 * NUMBER_BYTES, NUMBER_BYTES)
  if (value[0] === 1)
    return { entry: { index, term, payload: value.subarray(CONFIG_BYTES_AT) }, previousTerm }
  const payloadAt = CONFIG_AT + value.readUIntBE(CONFIG_BYTES_AT, NUMBER_BYTES)
  const payload = value.subarray(payloadAt)
  if (payloadAt === CONFIG_AT) return { entry: { index, term, payload }, previousTerm }
  const config = JSON.parse(value.toString('utf8', CONFIG_AT, payloadAt)) as Configuration
  return { entry: { index, term, payload, config }, previousTerm }
}

export function encodeHardState({ term, vote }: HardState, { lastIndex, lastTerm, writes }: Head): Buffer {
  const value = Buffer.alloc(HEAD_BYTES)
  let at = SEAL_BYTES
  for (const n of [term, vote, lastIndex, lastTerm, writes]) at = value.writeUIntBE(n, at, NUMBER_BYTES)
  return seal(HARD_STATE_KEY, value)
}

/** Without a head if it was written in format 1. */
export function decodeHardState(value: Buffer): { hardState: HardState; head: Head | undefined } {
  checkSeal(HARD_STATE_KEY, value, value[0] === 1 ? HARD_STATE_BYTES : HEAD_BYTES)
  const number = (k: number) => value.readUIntBE(SEAL_BYTES + k * NUMBER_BYTES, NUMBER_BYTES)
  const hardState = { term: number(0), vote: number(1) }
  if (value[0] === 1) return { hardState, head: undefined }
  return { hardState, head: { lastIndex: number(2), lastTerm: number(3), writes: number(4) } }
}

export function encodeIdentity({ clusterId, nodeId, votes, disk }: DiskIdentity): Buffer {
  return sealJson(IDENTITY_KEY, { clusterId, nodeId, votes, disk })
}

/** Without `disk` if it was written before disks had a number. */
export function decodeIdentity(value: Buffer): Identity & Partial<DiskIdentity> {
  return openJson(IDENTITY_KEY, value) as Identity & Partial<DiskIdentity>
}

export function encodeBase({ generation, start }: LogBase): Buffer {
  return sealJson(LOG_START_KEY, { generation, start })
}

export function decodeBase(value: Buffer): LogBase {
  return openJson(LOG_START_KEY, value) as LogBase
}

export function damaged(key: string, what: string, options?: ErrorOptions): DamagedLogError {
  return new DamagedLogError(`the log on disk is damaged at key '${key}': ${what}; ${DAMAGE_REMEDY}`, options)
}

function sealJson(key: string, content: object): Buffer {
  return seal(key, Buffer.concat([Buffer.alloc(SEAL_BYTES), Buffer.from(JSON.stringify(content))]))
}

function openJson(key: string, value: Buffer): unknown {
  checkSeal(key, value, SEAL_BYTES)
  return JSON.parse(value.toString('utf8', SEAL_BYTES))
}

function checkSeal(key: string, value: Buffer, bytesMin: number): void {
  const fault = faultOf(key, value, bytesMin)
  if (fault !== undefined) throw damaged(key, fault)
}
