/**
 * How claims come and go: whoever leaves, for whatever reason, leaves by this door. It takes the claim out of its queues
 * and its session, lets its names rest if they must, and tells those who are concerned.
 */
import { assert } from './assert.js'
import type { Budget } from './budget.js'
import type { Reason } from './changes.js'
import type { Claims } from './claims.js'
import { isGrantable } from './grant-rule.js'
import type { Journal } from './journal.js'
import type { Acquire, Found, Granted, Outcome, Refused } from './language/command.js'
import { LIMITS } from './language/limits.js'
import * as refusals from './language/refusals.js'
import type { Claim, Line, Queue } from './queues.js'
import type { AllRemains, Result } from './remains.js'
import { STEPS_SINCE } from './roster/feature-level.js'
import { addClaim, dropClaim, isOver, type Session, type Sessions, startHolding } from './sessions.js'

export class Standing {
  readonly sessions: Sessions
  readonly claims: Claims
  readonly remains: AllRemains
  readonly journal: Journal
  readonly budget: Budget
  /** The present moment, by the cluster's clock. */
  at = 0
  /** The feature level of the cluster. */
  level = 0

  constructor(sessions: Sessions, claims: Claims, remains: AllRemains, journal: Journal, budget: Budget) {
    this.sessions = sessions
    this.claims = claims
    this.remains = remains
    this.journal = journal
    this.budget = budget
  }

  /** `LIMIT` if the cluster has no room for these data. */
  checkData(data: string): Refused | undefined {
    const length = this.claims.dataLength + this.remains.dataLength + data.length
    if (length <= LIMITS.dataLengthMax) return undefined
    return refusals.limitReached('characters of data in the cluster', LIMITS.dataLengthMax)
  }

  enter(session: Session, command: Acquire): Claim {
    const claim = this.claims.enter(session.id, command, this.at)
    addClaim(session, claim)
    return claim
  }

  grant(claim: Claim): Granted {
    const granted = this.claims.grant(claim, this.at)
    this.#granted(claim, 0)
    return granted
  }

  /** Gives out the room that there is, as far as the budget goes; to nobody whose time is over. */
  grantCandidates(): void {
    while (!this.budget.isSpent) {
      const claim = this.claims.nextCandidate()
      if (claim === undefined) return
      const result = resultFor(claim)
      if (this.isOver(claim)) this.giveUp(claim)
      else if (result !== undefined) this.#answerWith(claim, result)
      else if (isGrantable(claim)) this.#grantWaiting(claim)
    }
  }

  #grantWaiting(claim: Claim): void {
    this.budget.spend(claim.names.length)
    const waitedMs = this.at - claim.since
    this.#decide(claim, this.claims.grant(claim, this.at))
    this.#granted(claim, waitedMs)
  }

  #answerWith(claim: Claim, { token, data }: Result): void {
    this.budget.spend(1)
    this.answer(claim, { kind: 'found', token, data }, 'found')
  }

  /** Its session is over, or its wait limit has passed: nothing is ever granted to it. */
  isOver(claim: Claim): boolean {
    return (claim.waitLimit?.at ?? this.at + 1) <= this.at || this.isOfThePast(claim)
  }

  /** Why a claim that is over is: what came first decides, however late its turn comes. At the same moment it is the session. */
  #whyOver({ session: id, waitLimit }: Claim): 'timeout' | 'expired' | 'closed' {
    const session = this.sessions.get(id)!
    const hasTimedOut = waitLimit !== undefined && waitLimit.at < session.expiry.at
    return hasTimedOut ? 'timeout' : session.ended || 'expired'
  }

  isOfThePast({ session }: Claim): boolean {
    return isOver(this.sessions.get(session)!, this.at)
  }

  /** Ends a claim that is over. */
  giveUp(claim: Claim): void {
    this.budget.spend(claim.names.length)
    const reason = this.#whyOver(claim)
    if (claim.token !== undefined) this.leave(claim, reason)
    else this.answer(claim, reason === 'timeout' ? refusals.WAITED_OUT : refusals.SESSION_EXPIRED, reason)
  }

  /**
   * Whoever asks for these names does not find those of the past in them: not the first of any line, however much there is to
   * do. And it comes after those whom the room that there is lets in.
   */
  clear(names: readonly string[]): void {
    for (const name of names) {
      const queue = this.claims.queues.get(name)
      if (queue === undefined) continue
      this.#clearLine(queue.waiting)
      this.#clearLine(queue.granted)
    }
    this.grantCandidates()
  }

  #clearLine(line: Line): void {
    for (let first = line.first?.claim; first !== undefined && this.isOfThePast(first); ) {
      this.giveUp(first)
      first = this.budget.isSpent ? undefined : line.first?.claim
    }
  }

  /** Ends a claim that waits, with this answer. */
  answer(claim: Claim, outcome: Refused | Found, reason: Reason): void {
    this.#decide(claim, outcome)
    this.leave(claim, reason)
  }

  /** Whoever upgrades by this claim can't any more. */
  leave(claim: Claim, reason: Reason): void {
    const upgrade = claim.token === undefined ? undefined : upgradeOf(claim)
    if (upgrade !== undefined) this.#endUpgrade(upgrade)
    dropClaim(this.sessions.get(claim.session)!, claim)
    this.claims.leave(claim)
    this.journal.change('left', claim, reason, this.at - claim.since)
    this.#letRest(claim, reason)
  }

  /** Those who hold the name are about to lose it: whoever upgrades there can't any more, and thieves come to stand before it. */
  endUpgradeIn(name: string): void {
    const first = this.claims.queues.get(name)?.waiting.first?.claim
    if (first !== undefined && first.terms.upgrades > 0) this.#endUpgrade(first)
  }

  #endUpgrade(upgrade: Claim): void {
    if (this.isOver(upgrade)) this.giveUp(upgrade)
    else this.answer(upgrade, refusals.BASE_GONE, 'cancelled')
  }

  /** Its session goes on, and must know. */
  leaveByForce(claim: Claim, note: string): void {
    const session = this.sessions.get(claim.session)!
    const notice = { kind: 'lost', token: claim.token!, note } as const
    this.sessions.lost(session, notice)
    this.journal.event({ kind: 'noticed', session: session.id, notice })
    this.leave(claim, 'forced')
  }

  /** As if it had never been there: it was not even told that it waits. */
  retract(claim: Claim): void {
    dropClaim(this.sessions.get(claim.session)!, claim)
    this.claims.leave(claim)
  }

  /** Who waits goes first: an upgrade whose shared claim goes with it is told that the session is over, too. */
  endSession(session: Session, reason: 'expired' | 'closed'): void {
    const waiting = [...session.claims].filter(({ token }) => token === undefined)
    for (const claim of waiting) this.answer(claim, refusals.SESSION_EXPIRED, reason)
    for (const claim of [...session.claims]) this.leave(claim, reason)
    this.sessions.remove(session)
    this.journal.event({ kind: 'sessionEnded', session: session.id, reason })
  }

  /** Nothing is granted in the name until then; what it rests longer already stays. */
  rest(name: string, untilAt: number): void {
    const known = this.claims.queues.get(name)?.rest
    if (untilAt <= this.at || (known !== undefined && known.until!.at >= untilAt)) return
    this.remains.leave({ ...NOTHING_KEPT, kind: 'rest', id: this.claims.nextId++, name, untilAt })
  }

  keepResult(claim: Claim, data: string, keepMs: number): void {
    const fingerprint = claim.terms.fingerprint!
    const token = claim.token!
    const id = this.claims.nextId++
    const name = claim.names[0]!
    const untilAt = this.at + keepMs
    const queue = this.remains.leave({
      kind: 'result',
      id,
      name,
      untilAt,
      note: '',
      token,
      fingerprint,
      data,
    })
    if (this.level >= STEPS_SINCE) return this.claims.reconsider(queue)
    for (const waiter of [...queue.waiting]) this.answer(waiter, { kind: 'found', token, data }, 'found')
  }

  suspend(name: string, forMs: number | undefined, note: string): Queue {
    const untilAt = forMs === undefined ? undefined : this.at + forMs
    const id = this.claims.nextId++
    return this.remains.leave({ ...NOTHING_KEPT, kind: 'suspension', id, name, untilAt, note })
  }

  #granted(claim: Claim, waitedMs: number): void {
    startHolding(this.sessions.get(claim.session)!, claim)
    this.journal.change('granted', claim, '', waitedMs)
    const { upgrades } = claim.terms
    if (upgrades > 0) this.leave(this.claims.withToken(upgrades)!, 'upgraded')
  }

  #letRest(claim: Claim, reason: Reason): void {
    if (claim.token === undefined || reason === 'cancelled') return
    const { lockDelayMs, minHoldMs } = claim.terms
    const isLost = reason === 'expired' || reason === 'forced'
    const untilAt = Math.max(
      minHoldMs > 0 ? claim.since + minHoldMs : 0,
      isLost && lockDelayMs > 0 ? this.at + lockDelayMs : 0,
    )
    if (untilAt > this.at) for (const name of claim.names) this.rest(name, untilAt)
  }

  /** A claim that was queued has its outcome: its slot, which is still busy with it, remembers. */
  #decide(claim: Claim, outcome: Outcome): void {
    const session = this.sessions.get(claim.session)!
    const slot = session.slots.get(claim.slot)!
    assert(slot.seq === claim.seq, 'the slot of a waiting claim stays with it', { claim: claim.id })
    this.sessions.decide(slot, outcome)
    this.journal.event({ kind: 'decided', claim: claim.id, outcome })
  }
}

const NOTHING_KEPT = { note: '', token: 0, fingerprint: '', data: '' } as const

/** Of work that is done once: what is to be told to this claim, which waits to do it. */
function resultFor({ places, terms }: Claim): Result | undefined {
  return terms.fingerprint === undefined ? undefined : places[0]!.queue.result
}

/** Who waits to take the place of this claim, which is held: before it there is nobody. */
export function upgradeOf({ places, token }: Claim): Claim | undefined {
  const first = places[0]!.queue.waiting.first?.claim
  return first?.terms.upgrades === token ? first : undefined
}
