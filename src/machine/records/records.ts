/**
 * The machine as records: what is kept of it on disk, in backups, and sent to those who fell behind. Each thing that
 * lives on its own has a key of its own; fields are plain values in a fixed order, so that whoever stores them may encode
 * them as it likes.
 */

import type { Intervention, Interventions } from '../interventions.js'
import type { ClaimId, Mode, Notice, Refused, SessionId, Terms, Verdict } from '../language/command.js'
import type { Claim } from '../queues.js'
import type { Remains } from '../remains.js'
import type { Disks } from '../roster/disks.js'
import type { Member, Members } from '../roster/members.js'
import type { Session, Slot } from '../sessions.js'
import { claimFields, toClaim } from './claim-record.js'
import type { Page } from './ledger.js'

export type Recorded = Session | Slot | Claim | Remains | Members | Disks | Interventions

/** What the ledger notes on each thing. */
export interface Bookkeeping {
  /** A checkpoint has it. Written only by the ledger. */
  isRecorded: boolean
  /** Nothing of it is left in the machine. Written only by the ledger. */
  isGone: boolean
  /** Where the ledger has it, while the newest checkpoint does not have it as it is. Written only by the ledger. */
  page: Page | undefined
}

export type Field = string | number | boolean | null | readonly Field[]
export type Fields = readonly Field[]

export interface RecordChange {
  readonly key: string
  /** Undefined: the record goes. */
  readonly fields: Fields | undefined
}

/**
 * The first field of the summary: a machine of another format is not understood. Below feature level 1 it is the first
 * format, so that a node can still go back to a version that knows no other; not what was restored from a backup whose
 * changes were counted.
 */
export const RECORD_FORMAT = { first: 1, levelled: 2 } as const
export const SUMMARY_KEY = 'm'

const KEY_PREFIX = {
  session: 's',
  slot: 'r',
  claim: 'c',
  rest: 'q',
  suspension: 'u',
  result: 'k',
  members: 'n',
  disks: 'd',
  interventions: 'i',
} as const
const ANSWER = { granted: 1, queued: 2, released: 3, cancelled: 4, refused: 5, found: 6, done: 7 } as const

export function changeOf(thing: Recorded): RecordChange {
  return { key: keyOf(thing), fields: thing.isGone ? undefined : fieldsOf(thing) }
}

function keyOf(thing: Recorded): string {
  const prefix = KEY_PREFIX[thing.kind]
  if (thing.kind === 'members' || thing.kind === 'disks' || thing.kind === 'interventions') return prefix
  if (thing.kind === 'slot') return `${prefix}${thing.session}.${thing.number}`
  return `${prefix}${thing.id}`
}

function fieldsOf(thing: Recorded): Fields {
  switch (thing.kind) {
    case 'session': {
      const { id, key, ttlMs, label, openedAt, expiry, losses, ended } = thing
      const fields = [id, key, ttlMs, label, openedAt, expiry.at]
      const lost = losses.map(({ token, note }) => [token, note])
      if (ended !== '') return [...fields, lost, ended]
      return losses.length === 0 ? fields : [...fields, lost]
    }
    case 'slot':
      return slotFields(thing)
    case 'claim':
      return claimFields(thing)
    case 'rest':
    case 'suspension':
      return [thing.id, thing.name, thing.until?.at ?? null, thing.note]
    case 'result':
      return [thing.id, thing.name, thing.until?.at ?? null, '', thing.token, thing.fingerprint, thing.data]
    case 'interventions':
      return thing.all.map(({ kind, name, token, session, note, at }) => [
        kind,
        name,
        token,
        session,
        note,
        at,
      ])
    case 'members':
      return [...thing.values()].map(({ id, peer, client }) => [id, peer, client])
    case 'disks':
      return [...thing.all]
  }
}

export interface SessionRecord {
  readonly id: SessionId
  readonly key: number
  readonly ttlMs: number
  readonly label: string
  readonly openedAt: number
  readonly expiresAt: number
  readonly losses: readonly Notice[]
  /** '': it has not ended, or that is yet to be said. */
  readonly ended: '' | 'expired' | 'closed'
}

export interface SlotRecord {
  readonly session: SessionId
  readonly number: number
  readonly seq: number
  readonly hash: number
  readonly answer: Verdict
  readonly refusedSeq: number
}

export interface ClaimRecord {
  readonly id: ClaimId
  readonly session: SessionId
  readonly slot: number
  readonly seq: number
  readonly names: readonly string[]
  readonly mode: Mode
  readonly label: string
  readonly terms: Terms
  readonly data: string
  readonly rank: number
  readonly holds: number
  readonly seats: readonly number[] | undefined
  readonly token: number | undefined
  readonly since: number
  readonly waitUntil: number | undefined
}

export interface RemainsRecord {
  readonly kind: Remains['kind']
  readonly id: number
  readonly name: string
  readonly untilAt: number | undefined
  /** Of a suspension. */
  readonly note: string
  /** These three are of a result. */
  readonly token: number
  readonly fingerprint: string
  readonly data: string
}

/** Records sorted by what they are of; throws if a key is none of ours. */
export class RecordReader {
  readonly sessions: SessionRecord[] = []
  readonly slots: SlotRecord[] = []
  readonly claims: ClaimRecord[] = []
  readonly remains: RemainsRecord[] = []
  /** Undefined if none was ever described. */
  members: readonly Member[] | undefined
  /** Undefined if no node has named its disk. */
  disks: readonly (readonly [node: number, disk: number])[] | undefined
  /** Undefined if there was none. */
  interventions: readonly Intervention[] | undefined
  summary: Fields = []
  readonly #refusals = new Map<string, Refused>()

  read(key: string, fields: Fields): void {
    switch (key[0]) {
      case KEY_PREFIX.session:
        this.sessions.push(toSession(fields))
        break
      case KEY_PREFIX.slot:
        this.slots.push(this.#toSlot(fields))
        break
      case KEY_PREFIX.claim:
        this.claims.push(toClaim(fields))
        break
      case KEY_PREFIX.rest:
        this.remains.push(toRemains('rest', fields))
        break
      case KEY_PREFIX.suspension:
        this.remains.push(toRemains('suspension', fields))
        break
      case KEY_PREFIX.result:
        this.remains.push(toRemains('result', fields))
        break
      case KEY_PREFIX.interventions:
        this.interventions = fields.map((fields) => toIntervention(fields as Fields))
        break
      case KEY_PREFIX.members:
        this.members = fields.map((member) => toMember(member as Fields))
        break
      case KEY_PREFIX.disks:
        this.disks = fields.map((disk) => disk as readonly [number, number])
        break
      case SUMMARY_KEY:
        this.summary = fields
        break
      default:
        throw new RangeError(
          `record of an unknown kind: ${key}; this version does not understand it, upgrade this node`,
        )
    }
  }

  #toSlot([session, number, seq, answer, hash, refusedSeq]: Fields): SlotRecord {
    return {
      session: session as number,
      number: number as number,
      seq: seq as number,
      hash: (hash ?? 0) as number,
      answer: this.#toAnswer(answer as Fields),
      refusedSeq: (refusedSeq ?? 0) as number,
    }
  }

  #toAnswer([kind, a, b, c]: Fields): Verdict {
    switch (kind) {
      case ANSWER.granted: {
        const granted = { kind: 'granted', claim: a as number, token: b as number } as const
        return c === undefined ? granted : { ...granted, seats: c as readonly number[] }
      }
      case ANSWER.found:
        return { kind: 'found', token: 0, data: '' }
      case ANSWER.done:
        return { kind: 'done', count: a as number }
      case ANSWER.queued:
        return { kind: 'queued', claim: a as number }
      case ANSWER.released:
        return { kind: 'released' }
      case ANSWER.cancelled:
        return { kind: 'cancelled' }
      default:
        return this.#refusal(a as Refused['code'], b as string)
    }
  }

  /** One object for all slots that remember the same refusal. */
  #refusal(code: Refused['code'], message: string): Refused {
    const id = `${code} ${message}`
    const known = this.#refusals.get(id)
    if (known !== undefined) return known
    const refusal: Refused = { kind: 'refused', code, message }
    this.#refusals.set(id, refusal)
    return refusal
  }
}

/** As the first version wrote it, if the cluster does not remember more. */
function slotFields({ session, number, seq, answer, hash, refusedSeq }: Slot): Fields {
  const fields = [session, number, seq, answerFields(answer)]
  if (refusedSeq > 0) return [...fields, hash, refusedSeq]
  return hash === 0 ? fields : [...fields, hash]
}

function answerFields(answer: Verdict): Fields {
  switch (answer.kind) {
    case 'granted':
      return answer.seats === undefined
        ? [ANSWER.granted, answer.claim, answer.token]
        : [ANSWER.granted, answer.claim, answer.token, answer.seats]
    case 'found':
      return [ANSWER.found]
    case 'done':
      return [ANSWER.done, answer.count]
    case 'queued':
      return [ANSWER.queued, answer.claim]
    case 'released':
      return [ANSWER.released]
    case 'cancelled':
      return [ANSWER.cancelled]
    case 'refused':
      return [ANSWER.refused, answer.code, answer.message]
    default:
      throw new RangeError(`no slot remembers ${answer.kind}`)
  }
}

function toSession([id, key, ttlMs, label, openedAt, expiresAt, losses, ended]: Fields): SessionRecord {
  return {
    id: id as number,
    key: key as number,
    ttlMs: ttlMs as number,
    label: label as string,
    openedAt: openedAt as number,
    expiresAt: expiresAt as number,
    losses: ((losses ?? []) as [number, string][]).map(([token, note]) => ({ kind: 'lost', token, note })),
    ended: (ended ?? '') as SessionRecord['ended'],
  }
}

function toRemains(
  kind: RemainsRecord['kind'],
  [id, name, untilAt, note, token, fingerprint, data]: Fields,
): RemainsRecord {
  return {
    kind,
    id: id as number,
    name: name as string,
    untilAt: untilAt === null ? undefined : (untilAt as number),
    note: note as string,
    token: (token ?? 0) as number,
    fingerprint: (fingerprint ?? '') as string,
    data: (data ?? '') as string,
  }
}

function toIntervention([kind, name, token, session, note, at]: Fields): Intervention {
  return {
    kind: kind as Intervention['kind'],
    name: name as string,
    token: token as number,
    session: session as number,
    note: note as string,
    at: at as number,
  }
}

function toMember([id, peer, client]: Fields): Member {
  return { id: id as number, peer: peer as string, client: client as string }
}
