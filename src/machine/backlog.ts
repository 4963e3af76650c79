/**
 * What comes to pass in an entry without its commands' asking: what falls due, what sessions that are over leave behind, and
 * the grants that follow. From feature level 4 on each entry does a bounded part of it. That a session is over does not wait for
 * its turn: it is, as soon as the clock reaches its expiry, and from then on nothing is performed for it or granted to it.
 */
import type { Agenda, Deadline } from './agenda.js'
import type { Budget } from './budget.js'
import type { Claims } from './claims.js'
import type { Force } from './force.js'
import { WAITED_OUT } from './language/refusals.js'
import type { AllRemains } from './remains.js'
import { STEPS_SINCE } from './roster/feature-level.js'
import type { Session, Sessions } from './sessions.js'
import type { Standing } from './standing.js'

export interface BacklogParts {
  readonly agenda: Agenda
  readonly sessions: Sessions
  readonly claims: Claims
  readonly remains: AllRemains
  readonly standing: Standing
  readonly force: Force
  readonly budget: Budget
  /** Of each of the three things that an entry does: what falls due, what follows from that or was left over, and what its commands bring about. */
  readonly workMax: number
}

export class Backlog {
  readonly #parts: BacklogParts

  constructor(parts: BacklogParts) {
    this.#parts = parts
  }

  /** Something is left to be done in the next entry, whatever its `at`. */
  get isLeft(): boolean {
    const { agenda, sessions, claims, force, standing } = this.#parts
    const isDue = (agenda.first()?.at ?? Number.POSITIVE_INFINITY) <= standing.at
    return isDue || claims.hasCandidates || force.isUnderWay || sessions.endings.first() !== undefined
  }

  /** What comes before the commands of an entry. */
  begin(): void {
    const { budget, workMax, standing } = this.#parts
    if (standing.level < STEPS_SINCE) return this.#allAtOnce()
    budget.refill(workMax)
    this.#fallDue()
    this.#clearUp()
    budget.refill(workMax)
    this.#goOn()
    budget.refill(workMax)
  }

  /** What follows from a command, before the next. */
  settle(): void {
    const { budget } = this.#parts
    budget.allow(1)
    this.#goOn()
  }

  /** The session ends now. What it held and waited for goes as soon as there is time, mostly at once. */
  end(session: Session, reason: 'expired' | 'closed'): void {
    const { standing, sessions } = this.#parts
    if (standing.level < STEPS_SINCE) return standing.endSession(session, reason)
    sessions.end(session, reason, standing.at)
    standing.journal.event({ kind: 'sessionEnded', session: session.id, reason })
    this.#clear(session)
  }

  /** At the end of an entry. */
  rest(): void {
    this.#parts.claims.dropGoneCandidates()
  }

  /** Of the feature levels below: all of it, and only then is the room that leaves given out. */
  #allAtOnce(): void {
    const { agenda, sessions, claims, standing } = this.#parts
    for (let due = agenda.first(); due !== undefined && due.at <= standing.at; due = agenda.first()) {
      if (due.kind === 'session') standing.endSession(sessions.get(due.id)!, 'expired')
      else if (due.kind === 'wait') standing.answer(claims.get(due.id)!, WAITED_OUT, 'timeout')
      else this.#endRemains(due)
    }
    standing.grantCandidates()
  }

  /** With what was begun. */
  #goOn(): void {
    const { force, standing } = this.#parts
    force.goOn()
    standing.grantCandidates()
  }

  #fallDue(): void {
    const { agenda, sessions, claims, standing, budget } = this.#parts
    for (let due = agenda.first(); due !== undefined && due.at <= standing.at; due = agenda.first()) {
      if (budget.isSpent) return
      if (due.kind === 'wait') standing.giveUp(claims.get(due.id)!)
      else {
        budget.spend(1)
        if (due.kind === 'session') this.end(sessions.get(due.id)!, 'expired')
        else this.#endRemains(due)
      }
    }
  }

  #endRemains({ id }: Deadline): void {
    const { claims, remains } = this.#parts
    claims.reconsider(remains.remove(remains.get(id)!))
  }

  /** After the sessions that are over, those that ended first first. */
  #clearUp(): void {
    const { sessions, budget } = this.#parts
    for (let next = sessions.endings.first(); next !== undefined; next = sessions.endings.first()) {
      if (budget.isSpent) return
      this.#clear(sessions.get(next.id)!)
    }
  }

  /** After one, as far as the budget goes: its claims, the oldest first, and then its slots. A small one does not wait for large ones. */
  #clear(session: Session): void {
    const { sessions, standing, budget } = this.#parts
    while (!budget.isSpent && !session.isGone) {
      const { oldest } = session.claims
      if (oldest !== undefined) standing.giveUp(oldest)
      else {
        budget.spend(1)
        sessions.forgetSome(session)
      }
    }
  }
}
