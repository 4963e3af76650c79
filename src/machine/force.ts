/** What is done about a name against, or without, those who hold it. They are told, and it is written down. */

import type { Intervention, Interventions } from './interventions.js'
import type {
  Acquire,
  ForceRelease,
  Refused,
  RequestRelease,
  Resume,
  Suspend,
  Verdict,
} from './language/command.js'
import { LIMITS } from './language/limits.js'
import * as refusals from './language/refusals.js'
import type { Claim } from './queues.js'
import type { Session } from './sessions.js'
import type { Standing } from './standing.js'

export class Force {
  readonly #standing: Standing
  readonly #interventions: Interventions

  constructor(standing: Standing, interventions: Interventions) {
    this.#standing = standing
    this.#interventions = interventions
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
    for (const name of names) {
      this.#end('steal', this.#claims(name, 0), session, name, note)
      const { rest } = this.#standing.claims.queues.get(name) ?? {}
      if (rest !== undefined) this.#standing.remains.remove(rest)
    }
    return undefined
  }

  #forceRelease(session: Session, { name, token, note }: ForceRelease): Verdict {
    const claims = this.#claims(name, token)
    if (claims.length === 0) return refusals.NOBODY_HOLDS
    this.#end('forceRelease', claims, session, name, note)
    return { kind: 'done', count: claims.length }
  }

  #requestRelease({ name, token, note }: RequestRelease): Verdict {
    const claims = this.#claims(name, token)
    if (claims.length === 0) return refusals.NOBODY_HOLDS
    this.#ask(claims, note)
    return { kind: 'done', count: claims.length }
  }

  #suspend(session: Session, { name, forMs, note }: Suspend): Verdict {
    if (this.#standing.remains.size >= LIMITS.remainsMax) return refusals.TOO_MANY_REMAINS
    this.#standing.suspend(name, forMs, note)
    this.#write('suspend', session, name, 0, note)
    const claims = this.#claims(name, 0)
    this.#ask(claims, `suspended: ${note}`)
    return { kind: 'done', count: claims.length }
  }

  #resume(session: Session, { name, note }: Resume): Verdict {
    const { suspension } = this.#standing.claims.queues.get(name) ?? {}
    if (suspension === undefined) return refusals.NOT_SUSPENDED
    this.#standing.claims.reconsider(this.#standing.remains.remove(suspension))
    this.#write('resume', session, name, 0, note)
    return { kind: 'done', count: 1 }
  }

  #end(
    kind: Intervention['kind'],
    claims: readonly Claim[],
    session: Session,
    name: string,
    note: string,
  ): void {
    for (const claim of claims) {
      this.#write(kind, session, name, claim.token!, note)
      this.#standing.leaveByForce(claim, note)
    }
  }

  #ask(claims: readonly Claim[], note: string): void {
    for (const { session, token } of claims) {
      const notice = { kind: 'asked', token: token!, note } as const
      this.#standing.journal.event({ kind: 'noticed', session, notice })
    }
  }

  /** Those who hold the name; or the one with this token, which may also be a member. */
  #claims(name: string, token: number): Claim[] {
    if (token === 0) return [...(this.#standing.claims.queues.get(name)?.granted ?? [])]
    const claim = this.#standing.claims.withToken(token)
    return claim?.names.includes(name) ? [claim] : []
  }

  #write(kind: Intervention['kind'], session: Session, name: string, token: number, note: string): void {
    this.#interventions.add({ kind, name, token, session: session.id, note, at: this.#standing.at })
  }
}
