/**
 * How claims come and go: whoever leaves, for whatever reason, leaves by this door. It takes the claim out of its queues
 * and its session, lets its names rest if they must, and tells those who are concerned.
 */
import { assert } from './assert.js'
import type { Reason } from './changes.js'
import type { Claims } from './claims.js'
import type { Journal } from './journal.js'
import type { Acquire, Found, Granted, Outcome, Refused } from './language/command.js'
import { LIMITS } from './language/limits.js'
import * as refusals from './language/refusals.js'
import type { Claim, Queue } from './queues.js'
import type { AllRemains } from './remains.js'
import { addClaim, dropClaim, type Session, type Sessions, startHolding } from './sessions.js'

export class Standing {
  readonly sessions: Sessions
  readonly claims: Claims
  readonly remains: AllRemains
  readonly journal: Journal
  /** The present moment, by the cluster's clock. */
  at = 0
  /** The feature level of the cluster. */
  level = 0

  constructor(sessions: Sessions, claims: Claims, remains: AllRemains, journal: Journal) {
    this.sessions = sessions
    this.claims = claims
    this.remains = remains
    this.journal = journal
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

  /** Gives out all the room that there is. */
  grantCandidates(): void {
    for (let claim = this.claims.nextGrantable(); claim !== undefined; claim = this.claims.nextGrantable()) {
      const waitedMs = this.at - claim.since
      this.#decide(claim, this.claims.grant(claim, this.at))
      this.#granted(claim, waitedMs)
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
    if (upgrade !== undefined) this.answer(upgrade, refusals.BASE_GONE, 'cancelled')
    dropClaim(this.sessions.get(claim.session)!, claim)
    this.claims.leave(claim)
    this.journal.change('left', claim, reason, this.at - claim.since)
    this.#letRest(claim, reason)
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

/** Who waits to take the place of this claim, which is held: before it there is nobody. */
export function upgradeOf({ places, token }: Claim): Claim | undefined {
  const first = places[0]!.queue.waiting.first?.claim
  return first?.terms.upgrades === token ? first : undefined
}
