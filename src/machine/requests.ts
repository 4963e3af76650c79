/**
 * What sessions ask for their own claims, each request exactly once (P5): a slot's newest request is answered again when
 * it is repeated, an older one refused, a newer one performed. Every reply to one that comes to stand in its slot is
 * remembered; the others depend on nothing but its numbers, or stay so: see docs/guarantees.md.
 */
import { grantOf, isBeforeAll } from './claims.js'
import { findDeadlock } from './deadlock.js'
import type { Force } from './force.js'
import { isGrantable, useOf } from './grant-rule.js'
import {
  type Acquire,
  type Cancel,
  type Command,
  type Downgrade,
  NO_TERMS,
  type Refused,
  type Release,
  type RequestId,
  type Succession,
  type Update,
  type Verdict,
} from './language/command.js'
import { LIMITS } from './language/limits.js'
import * as refusals from './language/refusals.js'
import type { Claim } from './queues.js'
import { hashOf } from './request-hash.js'
import { REPLIES_REMEMBERED_SINCE } from './roster/feature-level.js'
import type { Session, Slot } from './sessions.js'
import { type Standing, upgradeOf } from './standing.js'

/** What stands in a slot. */
export type Request = Extract<Command, RequestId>

/** The first in line follows, and nothing stays. */
const PLAIN: Succession = { heir: 0, restMs: 0, result: undefined }
const RELEASED: Verdict = { kind: 'released' }
const CANCELLED: Verdict = { kind: 'cancelled' }
const DONE: Verdict = { kind: 'done', count: 1 }

export class Requests {
  readonly #standing: Standing
  readonly #force: Force

  constructor(standing: Standing, force: Force) {
    this.#standing = standing
    this.#force = force
  }

  /** `refusal`: of what the request asks for, whatever the state. */
  perform(session: Session, request: Request, refusal: Refused | undefined): Verdict {
    if (request.op === 'cancel') return this.#cancel(session, request)
    // What was refused at sight may be more than this version understands.
    const hash = this.#remembersAll && refusal === undefined ? hashOf(request) : 0
    const slot = session.slots.get(request.slot)
    if (slot?.seq === request.seq) return this.#repeat(slot, request, hash)
    if (slot !== undefined && request.seq < slot.seq) return refusals.STALE_REQUEST
    if (slot !== undefined && this.#isBusy(slot, request)) return refusals.SLOT_BUSY
    const answer = refusal ?? this.#dispatch(session, request)
    this.#remember(session, request, hash, answer)
    return answer
  }

  get #remembersAll(): boolean {
    return this.#standing.level >= REPLIES_REMEMBERED_SINCE
  }

  #repeat(slot: Slot, request: Request, hash: number): Verdict {
    if (slot.hash !== hash && slot.hash !== 0 && hash !== 0) return refusals.OTHER_REQUEST
    return slot.answer.kind === 'found' ? this.#findAgain(request) : slot.answer
  }

  /** For good: what was refused so is not performed when the slot is free again. */
  #isBusy(slot: Slot, { seq }: Request): boolean {
    if (slot.answer.kind !== 'queued') return seq <= slot.refusedSeq
    if (this.#remembersAll) this.#standing.sessions.refuseUpTo(slot, seq)
    return true
  }

  #dispatch(session: Session, request: Exclude<Request, Cancel>): Verdict {
    switch (request.op) {
      case 'unknownRequest':
        return refusals.UNSUPPORTED
      case 'acquire':
        return this.#acquire(session, request)
      case 'release':
        return this.#release(session, request)
      case 'update':
        return this.#update(session, request)
      case 'downgrade':
        return this.#downgrade(session, request)
      default:
        return this.#force.perform(session, request)
    }
  }

  #acquire(session: Session, command: Acquire): Verdict {
    this.#standing.clear(command.names)
    const answer = this.#answerAtOnce(session, command)
    if (answer !== undefined) return answer
    const claim = this.#standing.enter(session, command)
    const refusal = this.#whyNot(claim, command)
    if (refusal !== undefined) {
      this.#standing.retract(claim)
      return refusal
    }
    if (isGrantable(claim)) return this.#standing.grant(claim)
    if (command.waitMs !== undefined)
      this.#standing.claims.limitWait(claim, this.#standing.at + command.waitMs)
    this.#standing.journal.change('queued', claim)
    return { kind: 'queued', claim: claim.id }
  }

  /** Also one that can be granted may have come before others; but who steals has stolen by now. */
  #whyNot(claim: Claim, { waitMs }: Acquire): Refused | undefined {
    if (waitMs === 0 && !isGrantable(claim)) return refusals.NOT_FREE
    return claim.terms.steal ? undefined : findDeadlock(claim, this.#standing)
  }

  /** Without a claim of its own: a refusal, a result that is there, or what its owner holds already. */
  #answerAtOnce(session: Session, command: Acquire): Verdict | undefined {
    const { terms = NO_TERMS } = command
    return (
      this.#checkRoom(session, command) ??
      this.#find(command) ??
      (terms.upgrades > 0 ? this.#checkUpgrade(session, command) : undefined) ??
      (terms.reentrant ? this.#holdAgain(session, command) : undefined) ??
      (terms.steal ? this.#force.steal(session, command) : undefined)
    )
  }

  #checkRoom(session: Session, command: Acquire): Refused | undefined {
    const { terms = NO_TERMS } = command
    const leavesRest = terms.lockDelayMs + terms.minHoldMs > 0
    if (leavesRest && this.#standing.remains.size >= LIMITS.remainsMax) return refusals.TOO_MANY_REMAINS
    if (session.claims.size >= LIMITS.claimsPerSessionMax)
      return refusals.limitReached('claims per session', LIMITS.claimsPerSessionMax)
    return this.#standing.checkData(terms.data) ?? this.#standing.claims.checkRoom(command)
  }

  #find({ names, mode, terms = NO_TERMS }: Acquire): Verdict | undefined {
    if (mode.kind === 'member') return undefined
    for (const name of names) {
      const result = this.#standing.claims.queues.get(name)?.result
      if (result === undefined) continue
      const { token, data, fingerprint } = result
      if (fingerprint === terms.fingerprint) return { kind: 'found', token, data }
      const use = useOf({ mode: { kind: 'exclusive' }, terms: { ...terms, fingerprint } })
      return refusals.otherUse(name, use)
    }
    return undefined
  }

  /** The request was answered with what was found then, and is never performed again. */
  #findAgain(request: Request): Verdict {
    return (request.op === 'acquire' ? this.#find(request) : undefined) ?? refusals.FOUND_NO_MORE
  }

  /** Only one reader of a name can wait for the others to leave, and nobody may be before it who waits for it to leave. */
  #checkUpgrade(session: Session, { names, terms = NO_TERMS }: Acquire): Refused | undefined {
    const base = this.#standing.claims.withToken(terms.upgrades)
    if (base?.session !== session.id || base.mode.kind !== 'shared' || base.holds > 1)
      return refusals.NOT_SHARED
    if (base.names.length !== names.length || !names.every((name) => base.names.includes(name)))
      return refusals.NOT_SHARED
    const isBehind = base.places.some(({ queue }) => isBeforeAll(queue.waiting.first?.claim))
    return isBehind ? refusals.UPGRADE_BEHIND : undefined
  }

  #holdAgain(session: Session, { names, mode, terms = NO_TERMS }: Acquire): Verdict | undefined {
    for (const claim of this.#standing.claims.queues.get(names[0]!)?.granted ?? []) {
      if (claim.session !== session.id || claim.terms.owner !== terms.owner) continue
      if (!names.every((name) => claim.names.includes(name))) continue
      if (claim.mode.kind !== mode.kind && claim.mode.kind !== 'exclusive') continue
      // It is about to be replaced, and its token with it.
      if (upgradeOf(claim) !== undefined) continue
      this.#standing.claims.holdTimes(claim, claim.holds + 1)
      return grantOf(claim)
    }
    return undefined
  }

  #release(session: Session, { token, succession = PLAIN }: Release): Verdict {
    const claim = this.#held(session, token)
    if ('code' in claim) return claim
    if (claim.holds > 1) {
      this.#standing.claims.holdTimes(claim, claim.holds - 1)
      return RELEASED
    }
    const { heir, restMs, result } = succession
    if (result !== undefined) {
      if (claim.terms.fingerprint === undefined) return refusals.NO_RESULT_HERE
      const tooMuch = this.#standing.checkData(result.data)
      if (tooMuch !== undefined) return tooMuch
    }
    if (restMs > 0 && claim.mode.kind === 'member') return refusals.NO_REST_HERE
    const leavesMore = result !== undefined || restMs > 0
    if (leavesMore && this.#standing.remains.size >= LIMITS.remainsMax) return refusals.TOO_MANY_REMAINS
    if (heir > 0 && !this.#promote(heir, claim)) return refusals.NOT_AN_HEIR
    if (result !== undefined) this.#standing.keepResult(claim, result.data, result.keepMs)
    this.#standing.leave(claim, 'released')
    for (const name of restMs > 0 ? claim.names : []) this.#standing.rest(name, this.#standing.at + restMs)
    return RELEASED
  }

  /** An heir of other names could wait for them while all here wait for it. */
  #promote(id: number, { names, mode }: Claim): boolean {
    const heir = this.#standing.claims.get(id)
    if (heir === undefined || heir.token !== undefined || mode.kind !== 'exclusive') return false
    if (this.#standing.isOver(heir)) return false
    if (!heir.names.every((name) => names.includes(name))) return false
    this.#standing.claims.promote(heir)
    return true
  }

  #update(session: Session, { token, data }: Update): Verdict {
    const claim = this.#held(session, token)
    if ('code' in claim) return claim
    const tooMuch = this.#standing.checkData(data)
    if (tooMuch !== undefined) return tooMuch
    this.#standing.claims.update(claim, data)
    this.#standing.journal.change('updated', claim)
    return DONE
  }

  #downgrade(session: Session, { token }: Downgrade): Verdict {
    const claim = this.#held(session, token)
    if ('code' in claim) return claim
    if (claim.mode.kind !== 'exclusive' || claim.terms.fingerprint !== undefined)
      return refusals.NOT_EXCLUSIVE
    this.#standing.claims.share(claim)
    this.#standing.journal.change('updated', claim)
    return DONE
  }

  /** Only ever a claim of this session: a token that has passed on to another holder is safe from it. */
  #held(session: Session, token: number): Claim | Refused {
    if (token >= this.#standing.claims.nextToken) return refusals.TOKEN_NEVER_GRANTED
    const claim = this.#standing.claims.withToken(token)
    if (claim === undefined) return refusals.TOKEN_GONE
    return claim.session === session.id ? claim : refusals.TOKEN_FOREIGN
  }

  /**
   * Afterwards nothing of the acquire is left, and it finds CANCELLED if it is repeated or arrives late.
   * Without effect on an older request of the slot, and on one that was refused or was no acquire.
   */
  #cancel(session: Session, command: Cancel): Verdict {
    const slot = session.slots.get(command.slot)
    if (slot === undefined || command.seq > slot.seq) {
      if (slot !== undefined && this.#isBusy(slot, command)) return refusals.SLOT_BUSY
      this.#remember(session, command, 0, refusals.CANCELLED)
    } else if (command.seq === slot.seq && TAKEN_BACK.has(slot.answer.kind)) {
      if (slot.answer.kind === 'queued' || slot.answer.kind === 'granted') this.#takeBack(slot.answer.claim)
      this.#standing.sessions.decide(slot, refusals.CANCELLED)
    }
    return CANCELLED
  }

  /** The claim may be gone: granted, and released since through another slot. */
  #takeBack(id: number): void {
    const claim = this.#standing.claims.get(id)
    if (claim === undefined) return
    if (claim.token === undefined) this.#standing.answer(claim, refusals.CANCELLED, 'cancelled')
    else if (claim.holds > 1) this.#standing.claims.holdTimes(claim, claim.holds - 1)
    else this.#standing.leave(claim, 'cancelled')
  }

  #remember(session: Session, { slot, seq }: Request, hash: number, answer: Verdict): void {
    this.#standing.sessions.remember(session, slot, seq, hash, answer)
  }
}

const TAKEN_BACK: ReadonlySet<Verdict['kind']> = new Set(['queued', 'granted', 'found'] as const)
