/** Between the words of the wire and those of the machine. */
import type { Command, Mode, Notice, Succession, Terms } from '../machine/language/command.js'
import * as wire from '../protocol/lockkeeper.js'
import type { Final } from './asked.js'
import { type Refusal, wireCode } from './refusal.js'

interface Numbers {
  readonly session: number
  readonly key: number
  readonly slot: number
  readonly seq: number
}

/** Undefined for an operation that this version does not know. */
export function toCommand(
  numbers: Numbers,
  operation: NonNullable<wire.Request['operation']>,
): Command | undefined {
  switch (operation.$case) {
    case 'acquire':
      return acquireOf(numbers, operation.value)
    case 'release':
      return releaseOf(numbers, operation.value)
    case 'cancel':
      return { op: 'cancel', ...numbers }
    case 'renew':
      return { op: 'keepAlive', session: numbers.session, key: numbers.key }
    case 'close':
      return { op: 'close', session: numbers.session, key: numbers.key }
    case 'update':
      return { op: 'update', ...numbers, ...operation.value }
    case 'downgrade':
      return { op: 'downgrade', ...numbers, ...operation.value }
    case 'forceRelease':
      return { op: 'forceRelease', ...numbers, ...operation.value }
    case 'requestRelease':
      return { op: 'requestRelease', ...numbers, ...operation.value }
    case 'suspend':
      return suspendOf(numbers, operation.value)
    case 'resume':
      return { op: 'resume', ...numbers, ...operation.value }
    default:
      return undefined
  }
}

/**
 * Of a frame as well as of a call. Here and in the release without a spread, which V8 copies field by field in its slowest
 * way: with one here, one in the stream and one in the log's payload it was a quarter of a busy leader's time.
 */
export function acquireOf({ session, key, slot, seq }: Numbers, asked: wire.Acquire): Command {
  const { names, waitMs, label, terms: said } = asked
  const mode = modeOf(asked)
  if (mode === undefined) return { op: 'unknown' }
  const terms = said && termsOf(said)
  return { op: 'acquire', session, key, slot, seq, names, mode, waitMs, label, terms }
}

export function releaseOf({ session, key, slot, seq }: Numbers, asked: wire.Release): Command {
  const { token, heir, restMs, result } = asked
  const isPlain = heir === 0 && restMs === 0 && result === undefined
  const succession: Succession | undefined = isPlain ? undefined : { heir, restMs, result }
  return { op: 'release', session, key, slot, seq, token, succession }
}

export function suspendOf(numbers: Numbers, { name, forMs, note }: wire.Suspend): Command {
  return { op: 'suspend', ...numbers, name, forMs, note }
}

export function toNotice({ kind, token, note }: Notice): wire.Notice {
  return { kind: NOTICE_KINDS[kind], token, note }
}

const NOTICE_KINDS = { lost: wire.Notice_Kind.LOST, asked: wire.Notice_Kind.ASKED } as const

/** Undefined for one of a later version. */
function modeOf({ mode, permits, capacity }: wire.Acquire): Mode | undefined {
  switch (mode) {
    case wire.Mode.EXCLUSIVE:
      return EXCLUSIVE
    case wire.Mode.SHARED:
      return { kind: 'shared' }
    case wire.Mode.PERMITS:
      return { kind: 'permits', permits, of: capacity }
    case wire.Mode.MEMBER:
      return { kind: 'member' }
    default:
      return undefined
  }
}

const EXCLUSIVE: Mode = { kind: 'exclusive' }

/** What a message may leave out, the machine has as undefined. */
function termsOf(terms: wire.Terms): Terms {
  return { ...terms, fingerprint: terms.fingerprint }
}

export function toResult(final: Final): NonNullable<wire.Answer['result']> {
  switch (final.kind) {
    case 'granted':
      return { $case: 'granted', value: { token: final.token, seats: [...(final.seats ?? [])] } }
    case 'found':
      return { $case: 'found', value: { token: final.token, data: final.data } }
    case 'released':
      return { $case: 'released', value: {} }
    case 'cancelled':
      return { $case: 'cancelled', value: {} }
    case 'done':
      return { $case: 'done', value: { count: final.count } }
    case 'renewed':
      return { $case: 'renewed', value: { ttlMs: final.ttlMs } }
    case 'closed':
      return { $case: 'closed', value: {} }
    case 'refused':
      return refused(final.code, final.message)
    case 'opened':
    case 'described':
    case 'forgotten':
    case 'raised':
    case 'identified':
    case 'begun':
      return refused('INTERNAL', `${final.kind}, which nobody asked for here`)
  }
}

export function refused(code: Refusal['code'], message: string): NonNullable<wire.Answer['result']> {
  return { $case: 'refused', value: { code: wireCode(code), message } }
}
