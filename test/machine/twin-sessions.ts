/**
 * The dumb half of the twin that knows sessions: what falls due, what follows from it or was left by earlier batches, and who
 * loses a claim by force.
 */
import type { Command } from '../../src/machine/language/command.js'
import { isHeld, type TwinClaim, TwinNames } from './twin-names.js'

export interface TwinSession {
  id: number
  key: number
  ttlMs: number
  deadline: number
  losses: string[]
  ended: '' | 'expired' | 'closed'
}

export interface TwinEviction {
  kind: string
  name: string
  upTo: number
  session: number
  note: string
}

export interface TwinAnswer {
  session: number
  slot: number
  seq: number
  answer: string
  claim: number | undefined
  /** What was asked for, once that is remembered. */
  payload: string | undefined
  /** Up to this seq nothing is performed any more. */
  refused: number
  /** To be repeated as it is. */
  command: Spoken
}

/** What has a slot. */
export type Spoken = Extract<Command, { slot: number }>

export class TwinSessions extends TwinNames {
  sessions: TwinSession[] = []
  answers: TwinAnswer[] = []
  interventions: string[] = []
  evictions: TwinEviction[] = []

  constructor(readonly workMax = 1_000) {
    super()
  }

  /** What comes before the commands of a batch. */
  begin(): void {
    if (this.level < 4) return this.expire()
    this.budget = this.workMax
    this.fallDue()
    this.clearUp()
    this.budget = this.workMax
    this.goOn()
    this.budget = this.workMax
    if (this.isBehind()) this.saw('left to the next batch')
  }

  isBehind(): boolean {
    return this.heads.length + this.round.length > 0 || this.sessions.some(({ ended }) => ended !== '')
  }

  goOn(): void {
    while (this.evictions.length > 0 && this.budget > 0)
      if (this.isEvicted(this.evictions[0]!)) this.evictions.shift()
    this.giveOut()
  }

  due(): { at: number; kind: string; id: number }[] {
    const alive = this.sessions.filter(({ ended }) => ended === '')
    const due = [
      ...alive.map((session) => ({ at: session.deadline, kind: 'session', id: session.id })),
      ...this.claims.map((claim) => ({ at: claim.deadline, kind: 'wait', id: claim.id })),
      ...this.remains.map(({ until, kind, id }) => ({ at: until, kind, id })),
    ].filter(({ at }) => at <= this.at)
    return due.sort((a, b) => a.at - b.at || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.id - b.id))
  }

  fallDue(): void {
    for (let [first] = this.due(); first !== undefined && this.budget > 0; [first] = this.due()) {
      const { kind, id } = first
      this.saw(`${kind} is over`)
      if (kind === 'wait') this.giveUp(this.claims.find((claim) => claim.id === id)!)
      else {
        this.budget--
        if (kind === 'session')
          this.endSession(this.sessions.find((session) => session.id === id)!, 'expired')
        else this.end(this.remains.find((each) => each.id === id)!)
      }
    }
  }

  endSession(session: TwinSession, reason: 'expired' | 'closed'): void {
    session.ended = reason
    if (reason === 'closed') session.deadline = this.at
    this.events.push(`session ${session.id} ${reason}`)
    this.clearAfter(session)
  }

  clearUp(): void {
    while (this.budget > 0) {
      const ended = this.sessions.filter((session) => session.ended !== '')
      const [first] = ended.sort((a, b) => a.deadline - b.deadline || a.id - b.id)
      if (first === undefined) return
      this.clearAfter(first)
    }
  }

  /** A claim at a time, then eight answers at a time. */
  clearAfter(session: TwinSession): void {
    while (this.budget > 0 && this.sessions.includes(session)) {
      const [oldest] = this.claims.filter((claim) => claim.session === session.id).sort((a, b) => a.id - b.id)
      if (oldest !== undefined) this.giveUp(oldest)
      else {
        this.budget--
        const own = this.answers.filter((each) => each.session === session.id).sort((a, b) => b.slot - a.slot)
        const gone = own.slice(0, 8)
        this.answers = this.answers.filter((each) => !gone.includes(each))
        if (own.length === gone.length) this.sessions = this.sessions.filter((each) => each !== session)
      }
    }
  }

  isPast({ ended, deadline }: TwinSession): boolean {
    return ended !== '' || deadline <= this.at
  }

  override isOfThePast(claim: TwinClaim): boolean {
    return this.isPast(this.sessions.find(({ id }) => id === claim.session)!)
  }

  /** What passed first is why it goes; at the same moment, its session. */
  override giveUp(claim: TwinClaim): void {
    const session = this.sessions.find(({ id }) => id === claim.session)!
    if (claim.deadline < session.deadline) return super.giveUp(claim)
    if (claim.deadline <= this.at) this.saw('over in two ways')
    this.budget -= claim.names.length
    const reason = session.ended || 'expired'
    if (isHeld(claim)) this.leave(claim, reason)
    else this.answer(claim, 'SESSION_EXPIRED', reason)
  }

  /** Who asks for names does not meet those of the past there, at least not the first of them. */
  clear(names: readonly string[]): void {
    for (const name of names)
      for (const line of [() => this.waiters(name), () => this.holders(name)])
        for (let [first] = line(); first !== undefined && this.isOfThePast(first); [first] = line()) {
          this.saw('cleared by who asked')
          this.giveUp(first)
          if (this.budget <= 0) break
        }
    this.giveOut()
  }

  expire(): void {
    for (;;) {
      const [first] = this.due()
      if (first === undefined) break
      this.saw(`${first.kind} is over`)
      if (first.kind === 'session') this.over(this.sessions.find(({ id }) => id === first.id)!, 'expired')
      else if (first.kind === 'wait')
        this.answer(this.claims.find(({ id }) => id === first.id)!, 'TIMEOUT', 'timeout')
      else this.end(this.remains.find(({ id }) => id === first.id)!)
    }
    this.giveOut()
  }

  giveOut(): void {
    this.grantAll((claim) => this.decide(claim, this.grantOf(claim)))
  }

  evict(eviction: TwinEviction): void {
    if (this.isEvicted(eviction)) return
    this.evictions.push(eviction)
    for (const waiter of this.waiters(eviction.name))
      if (waiter.terms.upgrades > 0) {
        this.saw('upgrade of those who are to go')
        this.endUpgrade(waiter)
      }
  }

  isEvicted({ kind, name, upTo, session, note }: TwinEviction): boolean {
    for (;;) {
      const [first] = this.holders(name)
      if (first === undefined || first.token! > upTo) break
      if (this.budget <= 0) return false
      this.budget -= first.names.length
      if (kind === 'steal') this.saw('stolen')
      this.intervene(kind, name, first.token!, session, note)
      this.force(first, note)
    }
    const rest = this.found(name, 'rest')
    if (kind === 'steal' && rest !== undefined) this.end(rest)
    return true
  }

  force(claim: TwinClaim, note: string): void {
    this.events.push(`session ${claim.session} lost ${claim.token} '${note}'`)
    const { losses } = this.sessions.find(({ id }) => id === claim.session)!
    losses.push(`${claim.token} '${note}'`)
    this.leave(claim, 'forced')
  }

  intervene(kind: string, name: string, token: number, session: number, note: string): void {
    this.interventions.push(`${this.at} ${kind} ${name} ${token} by ${session}: ${note}`)
  }

  override answer(claim: TwinClaim, outcome: string, reason: string): void {
    this.decide(claim, outcome)
    this.leave(claim, reason)
  }

  decide(claim: TwinClaim, outcome: string): void {
    for (const each of this.answers) if (each.claim === claim.id) each.answer = outcome
    this.events.push(`claim ${claim.id}: ${outcome}`)
  }

  grantOf({ id, token, seats }: TwinClaim): string {
    return `granted ${id} token ${token} seats ${seats.join()}`
  }

  over(session: TwinSession, reason: string): void {
    const claims = this.claims.filter((claim) => claim.session === session.id)
    for (const claim of claims) if (!isHeld(claim)) this.answer(claim, 'SESSION_EXPIRED', reason)
    for (const claim of claims) if (isHeld(claim)) this.leave(claim, reason)
    this.sessions = this.sessions.filter((each) => each !== session)
    this.events.push(`session ${session.id} ${reason}`)
  }
}
