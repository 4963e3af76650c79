import { Packr } from 'msgpackr'
import type { NodeId } from '../../raft/index.js'
import type {
  Acquire,
  Command,
  Identify,
  Mode,
  Release,
  Succession,
  Terms,
} from '../machine/language/command.js'
import { FORWARDING_SINCE, isPlain } from '../machine/roster/feature-level.js'
import { type Chunk, isOfLeader } from './ports.js'

/**
 * What is in the payload of a log entry. It outlives the process that wrote it, so it is spelled out field by field and
 * starts with a format version:
 *
 *     payload  = [1, at, origin, first, count, commands, origin, first, count, commands, …]
 *     commands = msgpack of [[opcode, field, …], …]
 *
 * A chunk's commands stay packed until they are applied: the leader orders what it need not understand.
 */
const FORMAT = 1
const CHUNK_FIELDS = 4

const packr = new Packr({ useRecords: false, int64AsType: 'number' })

const OPCODE = {
  open: 1,
  keepAlive: 2,
  close: 3,
  acquire: 4,
  release: 5,
  cancel: 6,
  describe: 7,
  forget: 8,
  raise: 9,
  identify: 10,
  acquireOnTerms: 11,
  releaseInSuccession: 12,
  update: 13,
  downgrade: 14,
  forceRelease: 15,
  requestRelease: 16,
  suspend: 17,
  resume: 18,
  begin: 19,
} as const
const MODE = { exclusive: 1, shared: 2, permits: 3, member: 4 } as const
/** One object for all that are held. */
const EXCLUSIVE: Mode = { kind: 'exclusive' }
const UNKNOWN: Command = { op: 'unknown' }
/** An array of three, and its opcode. */
const IDENTIFY_BEGINS = packr.pack([OPCODE.identify, 0, 0]).subarray(0, 2)
/** From here on opcodes are of requests of sessions, known or not: the numbers of the request follow, as in all of them. */
const REQUESTS_SINCE = 64

export interface Payload {
  /** The cluster's clock, in milliseconds. */
  readonly at: number
  readonly chunks: readonly Chunk[]
}

export function encodePayload(at: number, chunks: readonly Chunk[]): Uint8Array {
  const fields: unknown[] = [FORMAT, at]
  for (const chunk of chunks) fields.push(chunk.origin, chunk.first, chunk.count, chunk.commands)
  // Stays in the log for long, and what msgpackr returns is a part of something four times as large.
  return new Uint8Array(packr.pack(fields))
}

/** Throws a `PayloadError` if the bytes are none of ours: the entry's checksum held, so it is a bug, not the disk. */
export function decodePayload(bytes: Uint8Array): Payload {
  const fields = unpackArray(bytes)
  const [format] = fields
  if (format !== FORMAT) {
    throw new PayloadError(
      `log entry of format ${typeof format === 'number' ? format : 'unknown'}; this version reads format ${FORMAT}: upgrade this node`,
    )
  }
  const chunks: Chunk[] = []
  for (let i = 2; i + CHUNK_FIELDS <= fields.length; i += CHUNK_FIELDS) {
    chunks.push({
      origin: fields[i] as NodeId,
      first: fields[i + 1] as number,
      count: fields[i + 2] as number,
      commands: fields[i + 3] as Uint8Array,
    })
  }
  return { at: fields[1] as number, chunks }
}

export class PayloadError extends Error {
  override readonly name = 'PayloadError'
}

export function encodeCommands(commands: readonly Command[]): Uint8Array {
  return packr.pack(commands.map(toFields))
}

/**
 * Appends exactly `count` commands to `into`, on every node the same: what can't be read becomes `unknown`, which the
 * machine refuses. A poisonous command must not stop the cluster, one node after the other (fault 12).
 */
export function decodeCommands(bytes: Uint8Array, count: number, into: Command[]): void {
  const tuples = unpackArray(bytes)
  for (let k = 0; k < count; k++) into.push(fromFields(tuples[k]))
}

/**
 * The commands of all chunks, in their order. A command that its chunk may not carry becomes `unknown`, on every node the same,
 * since a node that can send to a leader could otherwise remove the addresses of members or raise the feature level. `onForbidden` is
 * called once for a chunk.
 */
export function commandsOf(
  chunks: readonly Chunk[],
  level: number,
  onForbidden: (chunk: Chunk, op: Command['op']) => void = () => undefined,
): Command[] {
  const commands: Command[] = []
  for (const chunk of chunks) {
    const start = commands.length
    decodeCommands(chunk.commands, chunk.count, commands)
    if (level < FORWARDING_SINCE) continue
    let forbidden: Command | undefined
    for (let k = start; k < commands.length; k++) {
      if (mayCarry(chunk, commands[k]!)) continue
      forbidden ??= commands[k]!
      commands[k] = UNKNOWN
    }
    if (forbidden !== undefined) onForbidden(chunk, forbidden.op)
  }
  return commands
}

/** The leader alone decides on the cluster. A node says on which disk it is, and of no other node. */
function mayCarry(chunk: Chunk, command: Command): boolean {
  switch (command.op) {
    case 'describe':
    case 'forget':
    case 'raise':
    case 'begin':
      return isOfLeader(chunk)
    case 'identify':
      return command.node === chunk.origin
    default:
      return true
  }
}

/**
 * The registrations of disks in the payload of an entry. Most entries have none, and every entry is looked at when it
 * comes to the log: one that does not have the bytes with which each of them begins is not unpacked. No version forwards
 * the registration of another node, so those do not count on any level.
 */
export function identifiesIn(payload: Uint8Array): Identify[] {
  const { buffer, byteOffset, length } = payload
  if (!Buffer.from(buffer, byteOffset, length).includes(IDENTIFY_BEGINS)) return []
  const commands = commandsOf(decodePayload(payload).chunks, FORWARDING_SINCE)
  return commands.filter((command) => command.op === 'identify')
}

function unpackArray(bytes: Uint8Array): unknown[] {
  try {
    const value: unknown = packr.unpack(bytes)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

function toFields(c: Command): unknown[] {
  switch (c.op) {
    case 'open':
      return [OPCODE.open, c.key, c.ttlMs, c.label]
    case 'keepAlive':
      return [OPCODE.keepAlive, c.session, c.key]
    case 'close':
      return [OPCODE.close, c.session, c.key]
    case 'acquire':
      return isPlain(c) ? plainAcquire(c) : acquireOnTerms(c)
    case 'release':
      return release(c)
    case 'cancel':
      return [OPCODE.cancel, c.session, c.key, c.slot, c.seq]
    case 'describe':
      return [OPCODE.describe, c.node, c.peer, c.client]
    case 'forget':
      return [OPCODE.forget, c.node]
    case 'raise':
      return [OPCODE.raise, c.level]
    case 'identify':
      return [OPCODE.identify, c.node, c.disk]
    case 'begin':
      return [OPCODE.begin, c.incarnation, c.wallMs]
    case 'update':
      return [OPCODE.update, c.session, c.key, c.slot, c.seq, c.token, c.data]
    case 'downgrade':
      return [OPCODE.downgrade, c.session, c.key, c.slot, c.seq, c.token]
    case 'forceRelease':
    case 'requestRelease':
      return [OPCODE[c.op], c.session, c.key, c.slot, c.seq, c.name, c.note, c.token]
    case 'suspend':
      return [OPCODE.suspend, c.session, c.key, c.slot, c.seq, c.name, c.note, c.forMs ?? null]
    case 'resume':
      return [OPCODE.resume, c.session, c.key, c.slot, c.seq, c.name, c.note]
    case 'unknown':
      return [0]
    case 'unknownRequest':
      return [REQUESTS_SINCE, c.session, c.key, c.slot, c.seq]
  }
}

function plainAcquire({ session, key, slot, seq, names, waitMs, label }: Acquire): unknown[] {
  return [OPCODE.acquire, session, key, slot, seq, names, MODE.exclusive, waitMs ?? null, label]
}

/** Under a number of its own: what a version does not know, it must refuse, and not take for a plain one. */
function acquireOnTerms({ session, key, slot, seq, names, mode, waitMs, label, terms }: Acquire): unknown[] {
  const modeFields = mode.kind === 'permits' ? [MODE.permits, mode.permits, mode.of] : [MODE[mode.kind]]
  return [
    OPCODE.acquireOnTerms,
    session,
    key,
    slot,
    seq,
    names,
    modeFields,
    waitMs ?? null,
    label,
    terms === undefined ? null : termFields(terms),
  ]
}

function termFields(t: Terms): unknown[] {
  const { data, owner, reentrant, priority, steal, upgrades, lockDelayMs, minHoldMs, fingerprint = null } = t
  return [data, owner, reentrant, priority, steal, upgrades, lockDelayMs, minHoldMs, fingerprint]
}

function release({ session, key, slot, seq, token, succession }: Release): unknown[] {
  if (succession === undefined) return [OPCODE.release, session, key, slot, seq, token]
  const { heir, restMs, result } = succession
  const resultFields = result === undefined ? null : [result.data, result.keepMs]
  return [OPCODE.releaseInSuccession, session, key, slot, seq, token, heir, restMs, resultFields]
}

function fromFields(f: unknown): Command {
  if (!Array.isArray(f)) return UNKNOWN
  switch (f[0]) {
    case OPCODE.open:
      return { op: 'open', key: number(f[1]), ttlMs: number(f[2]), label: text(f[3]) }
    case OPCODE.keepAlive:
      return { op: 'keepAlive', session: number(f[1]), key: number(f[2]) }
    case OPCODE.close:
      return { op: 'close', session: number(f[1]), key: number(f[2]) }
    case OPCODE.acquire:
      return toAcquire(f, f[6] === MODE.exclusive ? EXCLUSIVE : undefined)
    case OPCODE.acquireOnTerms:
      return toAcquire(f, toMode(f[6]), f[9])
    case OPCODE.release:
      return toRelease(f, undefined)
    case OPCODE.releaseInSuccession:
      return toRelease(f, toSuccession(f))
    case OPCODE.update:
      return { op: 'update', ...requestId(f), token: number(f[5]), data: text(f[6]) }
    case OPCODE.downgrade:
      return { op: 'downgrade', ...requestId(f), token: number(f[5]) }
    case OPCODE.forceRelease:
      return { op: 'forceRelease', ...intervention(f), token: number(f[7]) }
    case OPCODE.requestRelease:
      return { op: 'requestRelease', ...intervention(f), token: number(f[7]) }
    case OPCODE.suspend:
      return { op: 'suspend', ...intervention(f), forMs: f[7] === null ? undefined : number(f[7]) }
    case OPCODE.resume:
      return { op: 'resume', ...intervention(f) }
    case OPCODE.cancel:
      return { op: 'cancel', ...requestId(f) }
    case OPCODE.describe:
      return { op: 'describe', node: number(f[1]), peer: text(f[2]), client: text(f[3]) }
    case OPCODE.forget:
      return { op: 'forget', node: number(f[1]) }
    case OPCODE.raise:
      return { op: 'raise', level: number(f[1]) }
    case OPCODE.identify:
      return { op: 'identify', node: number(f[1]), disk: number(f[2]) }
    case OPCODE.begin:
      return { op: 'begin', incarnation: number(f[1]), wallMs: number(f[2]) }
    default:
      return number(f[0]) >= REQUESTS_SINCE ? unknownRequest(f) : UNKNOWN
  }
}

function unknownRequest(f: unknown[]): Command {
  return { op: 'unknownRequest', ...requestId(f) }
}

function toAcquire(f: unknown[], mode: Mode | undefined, terms: unknown = null): Command {
  if (!Array.isArray(f[5]) || mode === undefined || (terms !== null && !Array.isArray(terms)))
    return unknownRequest(f)
  // Field by field, as in the release: every node does it for every request, and a spread would be slow (docs/decisions.md).
  return {
    op: 'acquire',
    session: number(f[1]),
    key: number(f[2]),
    slot: number(f[3]),
    seq: number(f[4]),
    names: f[5].map(text),
    mode,
    waitMs: f[7] === null ? undefined : number(f[7]),
    label: text(f[8]),
    terms: terms === null ? undefined : toTerms(terms),
  }
}

function toRelease(f: unknown[], succession: Succession | undefined): Command {
  return {
    op: 'release',
    session: number(f[1]),
    key: number(f[2]),
    slot: number(f[3]),
    seq: number(f[4]),
    token: number(f[5]),
    succession,
  }
}

function toMode(fields: unknown): Mode | undefined {
  if (!Array.isArray(fields)) return undefined
  switch (fields[0]) {
    case MODE.exclusive:
      return EXCLUSIVE
    case MODE.shared:
      return { kind: 'shared' }
    case MODE.permits:
      return { kind: 'permits', permits: number(fields[1]), of: number(fields[2]) }
    case MODE.member:
      return { kind: 'member' }
    default:
      return undefined
  }
}

function toTerms(t: unknown[]): Terms {
  return {
    data: text(t[0]),
    owner: text(t[1]),
    reentrant: t[2] as boolean,
    priority: number(t[3]),
    steal: t[4] as boolean,
    upgrades: number(t[5]),
    lockDelayMs: number(t[6]),
    minHoldMs: number(t[7]),
    fingerprint: t[8] === null ? undefined : text(t[8]),
  }
}

function toSuccession(f: unknown[]): Succession {
  const [data, keepMs] = Array.isArray(f[8]) ? f[8] : []
  const result = f[8] === null ? undefined : { data: text(data), keepMs: number(keepMs) }
  return { heir: number(f[6]), restMs: number(f[7]), result }
}

function intervention(f: unknown[]) {
  return { ...requestId(f), name: text(f[5]), note: text(f[6]) }
}

function requestId(f: unknown[]) {
  return { session: number(f[1]), key: number(f[2]), slot: number(f[3]), seq: number(f[4]) }
}

/** A field of another type becomes one that validation refuses: NaN is no valid number, U+FFFD no valid text or data. */
function number(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '\ufffd'
}
