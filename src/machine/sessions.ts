/**
 * Who speaks, until when, and what was answered. A session that is not renewed for its TTL is over, and
 * everything it held or waited for with it. Its slots remember the newest answer each: see `RequestId`.
 */
import { Agenda, type Deadline } from './agenda.js'
import { BYTES, sessionBytes } from './held-bytes.js'
import type { Found, Notice, OpenSession, Refused, SessionId, Verdict } from './language/command.js'
import { LIMITS } from './language/limits.js'
import { limitReached, SESSION_EXPIRED, SESSION_FOREIGN, SESSION_UNKNOWN } from './language/refusals.js'
import { OrderedKeys } from './ordered-keys.js'
import type { Claim } from './queues.js'
import type { Ledger } from './records/ledger.js'
import type { Bookkeeping, SessionRecord, SlotRecord } from './records/records.js'
import { SessionClaims } from './session-claims.js'
import { ShardedMap } from './sharded-map.js'

export interface Session extends Bookkeeping {
  readonly kind: 'session'
  readonly id: SessionId
  readonly key: number
  readonly ttlMs: number
  readonly label: string
  readonly openedAt: number
  /** Over as soon as the clock reaches it: at that very millisecond the session has expired. */
  readonly expiry: Deadline
  /** How it ended, once that has been said. What it leaves behind goes after it, in steps. */
  ended: '' | 'expired' | 'closed'
  readonly slots: Map<number, Slot>
  /** Held and waiting, in the order of their ids. */
  readonly claims: SessionClaims
  /** By owner, of claims that have one. */
  readonly tasks: Map<string, Task>
  /** What it lost by force, the newest; it may have been away when that happened. */
  losses: readonly Notice[]
}

/** The claims of one owner: how many it holds, and those that wait. */
export interface Task {
  held: number
  readonly waiting: Set<Claim>
}

/** The newest request of a slot, and what it came to. `queued` is replaced when the claim is decided. */
export interface Slot extends Bookkeeping {
  readonly kind: 'slot'
  readonly session: SessionId
  readonly number: number
  seq: number
  /** Of the request; 0: not known, any request is taken for it. */
  hash: number
  answer: Verdict
  /** The greatest seq that was refused because this one waits: up to it nothing is ever performed. 0: none was. */
  refusedSeq: number
}

/** What a slot takes to be forgotten is little. */
const SLOTS_PER_STEP = 8

/** Remembered of what was found, which may be large: the request, repeated, looks again. */
const FOUND: Found = Object.freeze({ kind: 'found', token: 0, data: '' })

export class Sessions {
  /** Those that ended and have left something behind, by when they did. */
  readonly endings = new Agenda()
  /** The id the next session gets. */
  nextId: SessionId = 1

  readonly #agenda: Agenda
  readonly #ledger: Ledger
  readonly #byId = new ShardedMap<SessionId, Session>()
  readonly ids = new OrderedKeys<SessionId>((id) => this.#byId.get(id) !== undefined)
  readonly #byKey = new ShardedMap<number, Session>()
  #heldBytes = 0
  /** Of the session that is being forgotten: its slots, the last first. */
  #forgetting: { readonly session: SessionId; readonly slots: Uint32Array; left: number } | undefined

  constructor(agenda: Agenda, ledger: Ledger) {
    this.#agenda = agenda
    this.#ledger = ledger
  }

  /** Also those that ended and have left something behind. */
  get size(): number {
    return this.#byId.size
  }

  /** Those that have not ended. */
  get living(): number {
    return this.#byId.size - this.endings.size
  }

  /** What sessions and their slots take of the heap: see `BYTES`. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  get(id: SessionId): Session | undefined {
    return this.#byId.get(id)
  }

  withKey(key: number): Session | undefined {
    return this.#byKey.get(key)
  }

  values(): IterableIterator<Session> {
    return this.#byId.values()
  }

  /**
   * Repeated with the same key while the session lives, it renews the session and answers with it as it
   * was opened: id and TTL of the first time count.
   */
  open(command: OpenSession, at: number): Verdict {
    const found = this.#byKey.get(command.key)
    const known = found !== undefined && isOver(found, at) ? undefined : found
    if (known === undefined && this.size >= LIMITS.sessionsMax)
      return limitReached('sessions', LIMITS.sessionsMax)
    const session = known ?? this.#create(command, at)
    if (known !== undefined) this.renew(session, at)
    return { kind: 'opened', session: session.id, ttlMs: session.ttlMs }
  }

  renew(session: Session, at: number): void {
    this.#ledger.touch(session)
    this.#agenda.move(session.expiry, at + session.ttlMs)
  }

  lost(session: Session, notice: Notice): void {
    this.#ledger.touch(session)
    this.#heldBytes -= sessionBytes(session)
    session.losses = [...session.losses, notice].slice(-LIMITS.lossesPerSessionMax)
    this.#heldBytes += sessionBytes(session)
  }

  /** The newest request of its slot, and what it came to. */
  remember(session: Session, number: number, seq: number, hash: number, verdict: Verdict): void {
    const known = session.slots.get(number)
    const slot = known ?? newSlot({ session: session.id, number, seq, hash, answer: verdict, refusedSeq: 0 })
    this.decide(slot, verdict)
    slot.seq = seq
    slot.hash = hash
    slot.refusedSeq = 0
    if (known === undefined) this.#addSlot(session, slot)
  }

  /** What the newest request of the slot came to. */
  decide(slot: Slot, verdict: Verdict): void {
    this.#ledger.touch(slot)
    slot.answer = verdict.kind === 'found' ? FOUND : verdict
  }

  /** While the newest request of the slot waits. */
  refuseUpTo(slot: Slot, seq: number): void {
    if (seq <= slot.refusedSeq) return
    this.#ledger.touch(slot)
    slot.refusedSeq = seq
  }

  /** From now on it is one that ended; nobody speaks as it, and its key is free. */
  end(session: Session, reason: 'expired' | 'closed', at: number): void {
    this.#ledger.touch(session)
    this.#agenda.remove(session.expiry)
    this.#forgetKey(session)
    session.ended = reason
    if (reason === 'closed') session.expiry.at = at
    this.endings.put(session.expiry)
  }

  /** All of it at once. */
  remove(session: Session): void {
    for (const slot of session.slots.values()) this.#ledger.remove(slot)
    this.#heldBytes -= session.slots.size * BYTES.slot
    this.#agenda.remove(session.expiry)
    this.#forgetKey(session)
    this.#drop(session)
  }

  /** Of one that ended and has no claims any more: some slots, those with great numbers first; with the last, itself. */
  forgetSome(session: Session): void {
    if (this.#forgetting?.session !== session.id) {
      const slots = Uint32Array.from(session.slots.keys()).sort()
      this.#forgetting = { session: session.id, slots, left: slots.length }
    }
    const { slots, left } = this.#forgetting
    this.#forgetting.left = Math.max(0, left - SLOTS_PER_STEP)
    for (const number of slots.subarray(this.#forgetting.left, left)) {
      this.#ledger.remove(session.slots.get(number)!)
      session.slots.delete(number)
      this.#heldBytes -= BYTES.slot
    }
    if (this.#forgetting.left > 0) return
    this.#forgetting = undefined
    this.endings.remove(session.expiry)
    this.#drop(session)
  }

  #forgetKey(session: Session): void {
    if (this.#byKey.get(session.key) === session) this.#byKey.delete(session.key)
  }

  #drop(session: Session): void {
    this.#heldBytes -= sessionBytes(session)
    this.#ledger.remove(session)
    this.#byId.delete(session.id)
    this.ids.changed(session.id)
  }

  /** Why nobody may speak as this session with this key; undefined if they may. */
  checkSpeaker(id: SessionId, key: number, at: number): Refused | undefined {
    const session = this.#byId.get(id)
    if (session !== undefined && session.key === key && isOver(session, at)) return SESSION_EXPIRED
    if (session !== undefined) return session.key === key ? undefined : SESSION_FOREIGN
    return id < this.nextId ? SESSION_EXPIRED : SESSION_UNKNOWN
  }

  /** As it was recorded; its claims are not in it yet. */
  restore(record: SessionRecord): void {
    this.#add(record).isRecorded = true
  }

  restoreSlot(record: SlotRecord): void {
    const slot = newSlot(record)
    slot.isRecorded = true
    this.#addSlot(this.#byId.get(record.session)!, slot)
  }

  #addSlot(session: Session, slot: Slot): void {
    session.slots.set(slot.number, slot)
    this.#heldBytes += BYTES.slot
  }

  #create({ key, ttlMs, label }: OpenSession, at: number): Session {
    const id = this.nextId++
    const session = this.#add({
      id,
      key,
      ttlMs,
      label,
      openedAt: at,
      expiresAt: at + ttlMs,
      losses: [],
      ended: '',
    })
    this.#ledger.touch(session)
    return session
  }

  #add({ id, key, ttlMs, label, openedAt, expiresAt, losses, ended }: SessionRecord): Session {
    const agenda = ended === '' ? this.#agenda : this.endings
    const session: Session = {
      kind: 'session',
      id,
      key,
      ttlMs,
      label,
      openedAt,
      expiry: agenda.add('session', id, expiresAt),
      ended,
      slots: new Map(),
      claims: new SessionClaims(),
      tasks: new Map(),
      losses,
      isRecorded: false,
      isGone: false,
      page: undefined,
    }
    this.#byId.set(id, session)
    this.ids.changed(id)
    // One that is over may have left its key to a younger one.
    if (ended === '' && (this.#byKey.get(key)?.id ?? 0) < id) this.#byKey.set(key, session)
    this.#heldBytes += sessionBytes(session)
    return session
  }
}

/** Whether or not that has been said. */
export function isOver({ ended, expiry }: Session, at: number): boolean {
  return ended !== '' || expiry.at <= at
}

export function addClaim(session: Session, claim: Claim): void {
  session.claims.append(claim)
  const { owner } = claim.terms
  if (owner === '') return
  const task = session.tasks.get(owner) ?? { held: 0, waiting: new Set() }
  session.tasks.set(owner, task)
  if (claim.token === undefined) task.waiting.add(claim)
  else task.held++
}

/** It has waited, and holds from now on. */
export function startHolding(session: Session, claim: Claim): void {
  const task = session.tasks.get(claim.terms.owner)
  if (task?.waiting.delete(claim)) task.held++
}

export function dropClaim(session: Session, claim: Claim): void {
  session.claims.remove(claim)
  const { owner } = claim.terms
  const task = session.tasks.get(owner)
  if (task === undefined) return
  if (claim.token === undefined) task.waiting.delete(claim)
  else task.held--
  if (task.held + task.waiting.size === 0) session.tasks.delete(owner)
}

function newSlot({ session, number, seq, hash, answer, refusedSeq }: SlotRecord): Slot {
  return {
    kind: 'slot',
    session,
    number,
    seq,
    hash,
    answer,
    refusedSeq,
    isRecorded: false,
    isGone: false,
    page: undefined,
  }
}
