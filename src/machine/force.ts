/**
 * What is done about a name against, or without, those who hold it. They are told, and it is written down. Where many hold it,
 * that takes several entries, from feature level 4 on.
 */

import type { Intervention, Interventions } from './interventions.js'
import type {
  Acquire,
  ForceRelease,
  Refused,
  RequestRelease,
  Resume,
  SessionId,
  Suspend,
  Token,
  Verdict,
} from './language/command.js'
import { LIMITS } from './language/limits.js'
import * as refusals from './language/refusals.js'
import type { Claim } from './queues.js'
import type { Session } from './sessions.js'
import type { Standing } from './standing.js'

/** Those who hold a name are to lose it: all with a token up to this one. */
export interface Eviction {
  readonly kind: 'steal' | 'forceRelease'
  readonly name: string
  readonly upTo: Token
  /** Who does it, and what it says. */
  readonly session: SessionId
  readonly note: string
}

export class Force {
  readonly #standing: Standing
  readonly #interventions: Interventions
  /** In the order in which they were asked for. */
  #evictions: Eviction[] = []

  constructor(standing: Standing, interventions: Interventions) {
    this.#standing = standing
    this.#interventions = interventions
  }

  get isUnderWay(): boolean {
    return this.#evictions.length > 0
  }

  get evictions(): readonly Eviction[] {
    return this.#evictions
  }

  restore(evictions: readonly Eviction[]): void {
    this.#evictions = [...evictions]
  }

  /** With what was begun, as far as the budget goes. */
  goOn(): void {
    while (this.isUnderWay && !this.#standing.budget.isSpent)
      if (this.#isDone(this.#evictions[0]!)) this.#evictions.shift()
  }

  perform(session: Session, command: ForceRelease | RequestRelease | Suspend | Resume): Verdict {
    switch (command.op) {
      case 'forceRelease':
        return this.#forceRelease(session, command)
      case 'requestRelease':
        return this.#requestRelease(command)
      case 'suspend':
        return this.#suspend(session, command)
      case 'resume':
        return this.#resume(session, command)
    }
  }

  /** Makes room for a claim that is about to enter, unless an operator has closed the name. */
  steal(session: Session, { names, label }: Acquire): Refused | undefined {
    for (const name of names) {
      const { suspension } = this.#standing.claims.queues.get(name) ?? {}
      if (suspension !== undefined) return refusals.suspended(name, suspension.note)
    }
    const note =
      label === '' ? `stolen by session ${session.id}` : `stolen by session ${session.id}, ${label}`
    for (const name of names) this.#evict('steal', session, name, note)
    return undefined
  }

  #forceRelease(session: Session, { name, token, note }: ForceRelease): Verdict {
    if (token === 0) {
      const count = this.#standing.claims.queues.get(name)?.granted.count ?? 0
      this.#evict('forceRelease', session, name, note)
      return count === 0 ? refusals.NOBODY_HOLDS : { kind: 'done', count }
    }
    const claim = this.#withToken(name, token)
    if (claim === undefined) return refusals.NOBODY_HOLDS
    this.#end(claim, 'forceRelease', session.id, name, note)
    return { kind: 'done', count: 1 }
  }

  /** All who hold it now: those that the budget allows at once, the others in later entries. */
  #evict(kind: Eviction['kind'], session: Session, name: string, note: string): void {
    const upTo = this.#standing.claims.nextToken - 1
    const eviction: Eviction = { kind, name, upTo, session: session.id, note }
    if (this.#isDone(eviction)) return
    this.#evictions.push(eviction)
    this.#standing.endUpgradeIn(name)
  }

  /** After it went on as far as the budget goes. */
  #isDone({ kind, name, upTo, session, note }: Eviction): boolean {
    const { claims, remains, budget } = this.#standing
    const holder = (): Claim | undefined => claims.queues.get(name)?.granted.first?.claim
    for (let first = holder(); first !== undefined && first.token! <= upTo; first = holder()) {
      if (budget.isSpent) return false
      budget.spend(first.names.length)
      this.#end(first, kind, session, name, note)
    }
    const { rest } = claims.queues.get(name) ?? {}
    if (kind === 'steal' && rest !== undefined) claims.reconsider(remains.remove(rest))
    return true
  }

  #requestRelease({ name, token, note }: RequestRelease): Verdict {
    const count = this.#ask(this.#claims(name, token), note)
    return count === 0 ? refusals.NOBODY_HOLDS : { kind: 'done', count }
  }

  #suspend(session: Session, { name, forMs, note }: Suspend): Verdict {
    if (this.#standing.remains.size >= LIMITS.remainsMax) return refusals.TOO_MANY_REMAINS
    this.#standing.suspend(name, forMs, note)
    this.#write('suspend', session.id, name, 0, note)
    return { kind: 'done', count: this.#ask(this.#claims(name, 0), `suspended: ${note}`) }
  }

  #resume(session: Session, { name, note }: Resume): Verdict {
    const { suspension } = this.#standing.claims.queues.get(name) ?? {}
    if (suspension === undefined) return refusals.NOT_SUSPENDED
    this.#standing.claims.reconsider(this.#standing.remains.remove(suspension))
    this.#write('resume', session.id, name, 0, note)
    return { kind: 'done', count: 1 }
  }

  #end(claim: Claim, kind: Eviction['kind'], session: SessionId, name: string, note: string): void {
    this.#write(kind, session, name, claim.token!, note)
    this.#standing.leaveByForce(claim, note)
  }

  /** Those who have held it for longest, as many as the budget allows, and at least one. Returns how many. */
  #ask(claims: Iterable<Claim>, note: string): number {
    let count = 0
    for (const { session, token } of claims) {
      const notice = { kind: 'asked', token: token!, note } as const
      this.#standing.journal.event({ kind: 'noticed', session, notice })
      this.#standing.budget.spend(1)
      count++
      if (this.#standing.budget.isSpent) break
    }
    return count
  }

  /** Those who hold the name; or the one with this token, which may also be a member. */
  #claims(name: string, token: number): Iterable<Claim> {
    if (token === 0) return this.#standing.claims.queues.get(name)?.granted ?? []
    const claim = this.#withToken(name, token)
    return claim === undefined ? [] : [claim]
  }

  #withToken(name: string, token: number): Claim | undefined {
    const claim = this.#standing.claims.withToken(token)
    return claim?.names.includes(name) ? claim : undefined
  }

  #write(kind: Intervention['kind'], session: SessionId, name: string, token: number, note: string): void {
    this.#interventions.add({ kind, name, token, session, note, at: this.#standing.at })
  }
}
