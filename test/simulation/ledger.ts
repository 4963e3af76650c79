import { isDeepStrictEqual } from 'node:util'
import type { LogIndex } from '../../raft/index.js'
import type { Change } from '../../src/machine/changes.js'
import type {
  Acquire,
  Batch,
  Command,
  MachineEvent,
  Outcome,
  Verdict,
} from '../../src/machine/language/command.js'
import type { Applied as MachineApplied } from '../../src/machine/machine.js'
import {
  claimOf,
  type End,
  isRequest,
  type LoggedClaim,
  type LoggedSession,
  type NameBook,
  Names,
  type Request,
  remove,
  stand,
  stateOf,
} from './book.js'
import { ChangeChecks, type Passage } from './change-checks.js'
import { Effects } from './effects.js'
import { NoticeChecks } from './notice-checks.js'
import { NOT_OF_THE_SLOT, refusalProblem } from './refusal-checks.js'
import { areSeated, isAgreed, obstacleTo, seatsFor } from './right-of-way.js'
import { SlotReplies } from './slot-replies.js'
import { WaitGraph } from './wait-graph.js'

/** The state of one name after an entry. */
export interface NameVersion {
  readonly index: LogIndex
  /** Tokens of holders, then labels of waiters in order. */
  readonly state: string
}

/** What an entry changed: the input of the checks. */
export interface Page {
  readonly index: LogIndex
  readonly at: number
  readonly granted: readonly LoggedClaim[]
  readonly sessionsEnded: readonly LoggedSession[]
  /** By the cluster's clock: when what ended by itself in this entry was due; of sessions, see `sessionsEnded`. */
  readonly due: readonly number[]
  readonly names: ReadonlySet<string>
}

/** A contradiction between what the log says and what follows from what it said before. */
export type Contradiction = (promise: string, facts: Record<string, unknown>) => void

/** What an entry did, as it was then: claims go on to change. */
export interface Applied extends Omit<MachineApplied, 'changes'> {
  readonly changes: readonly (Omit<Change, 'claim'> & { readonly claim: number })[]
}

/**
 * The book of all passages, kept from nothing but what the log says: no code of the machine is in it. Every entry is written
 * in once, when the first node applies it, and step by step: what falls due, then one command after the other. What each
 * command was answered is taken from the log, and tested; what follows from it for others is worked out here, and the
 * log's events must say just that.
 */
export class Ledger {
  readonly names = new Names()
  readonly claims = new Map<number, LoggedClaim>()
  readonly sessions = new Map<number, LoggedSession>()
  readonly byToken = new Map<number, LoggedClaim>()
  /** A label is the name of one call that asks for a claim. */
  readonly byLabel = new Map<string, LoggedClaim>()
  readonly versions = new Map<string, NameVersion[]>()
  newestIndex: LogIndex = 0
  /** The same for every node, by index. */
  readonly applied = new Map<LogIndex, Applied>()
  /** How often each thing came to pass. */
  readonly counts: Record<string, number> = {}
  readonly #contradiction: Contradiction
  readonly #effects: Effects
  readonly #changes: ChangeChecks
  readonly #notices: NoticeChecks
  readonly #replies = new SlotReplies()
  /** Labels of calls that have ended without a claim. */
  readonly #ended = new Set<string>()
  readonly #waiting = new Set<LoggedClaim>()
  readonly #living = new Set<LoggedSession>()
  #newestToken = 0
  #tokenBeforeStep = 0
  #level = 0
  /** Of the entry that is being written. */
  #at = 0
  #outcomes = new Map<number, Outcome>()
  #passages: Passage[] = []
  #granted: LoggedClaim[] = []
  #sessionsEnded: LoggedSession[] = []
  #stirred = new Set<string>()
  #touched = new Set<string>()

  constructor(contradiction: Contradiction) {
    this.#contradiction = contradiction
    this.#effects = new Effects(this, contradiction)
    this.#changes = new ChangeChecks(this, contradiction)
    this.#notices = new NoticeChecks(contradiction)
  }

  get at(): number {
    return this.#at
  }

  /** All that wait, of any name. */
  get waiting(): ReadonlySet<LoggedClaim> {
    return this.#waiting
  }

  changesOf(name: string): Applied['changes'] {
    return this.#changes.of(name)
  }

  holdersOf(name: string): ReadonlySet<LoggedClaim> {
    return this.names.of(name).holders
  }

  /** Whoever made the call was told that nothing came of it. */
  over(label: string): void {
    this.#ended.add(label)
  }

  write(index: LogIndex, nowMs: number, { at, commands }: Batch, applied: Applied): Page {
    this.newestIndex = index
    this.applied.set(index, applied)
    this.#open(at, applied.events)
    const due = this.#fallDue()
    this.#grantAll()
    commands.forEach((command, k) => {
      this.#perform(command, applied.verdicts[k]!, nowMs)
      this.#grantAll()
    })
    this.#compare(applied)
    this.#changes.check(this.#passages, applied.changes)
    this.#checkNames()
    this.#checkWaits()
    for (const name of this.#touched) this.#version(name, index)
    const [granted, sessionsEnded, names] = [this.#granted, this.#sessionsEnded, this.#touched]
    return { index, at, granted, sessionsEnded, due, names }
  }

  // ---- what follows from what was answered; see effects.ts

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  enter(claim: LoggedClaim): void {
    this.claims.set(claim.id, claim)
    this.byLabel.set(claim.label, claim)
    this.sessions.get(claim.session)!.claims.add(claim)
    this.#waiting.add(claim)
    for (const name of claim.names) stand(this.names.of(name).waiting, claim)
    this.stir(claim.names)
  }

  grant(claim: LoggedClaim, outcome: Outcome): void {
    if (outcome.kind !== 'granted')
      return this.#contradiction('P4 no lost wakeup: could be granted, and was answered', { claim, outcome })
    const { token, seats = [] } = outcome
    const obstacle = obstacleTo(claim, this.names, this.#at)
    if (obstacle !== undefined) this.#contradiction(obstacle.promise, { claim, ...obstacle })
    if (token <= this.#tokenBeforeStep || this.byToken.has(token) || claim.token !== undefined)
      this.#contradiction('P2 fencing', { token, tokenBefore: this.#tokenBeforeStep, claim })
    if (!isDeepStrictEqual(seats, seatsFor(claim, this.names)))
      this.#contradiction('P1 exclusion: not the lowest free seats', { claim, seats })
    this.byToken.set(token, claim)
    this.#newestToken = Math.max(this.#newestToken, token)
    Object.assign(claim, { token, seats, since: this.#at })
    this.#granted.push(claim)
    this.#waiting.delete(claim)
    this.#replies.decide(claim.request, outcome)
    this.stir(claim.names)
    for (const name of claim.names) {
      const { waiting, members, holders } = this.names.of(name)
      remove(waiting, claim)
      if (claim.mode.kind === 'member') members.add(claim)
      else holders.add(claim)
    }
    this.passed('granted', claim)
    this.#effects.granted(claim)
  }

  end(claim: LoggedClaim, end: End): void {
    if (claim.end !== undefined) return
    if (claim.token === undefined) this.#checkOutcome(claim, end)
    claim.end = end
    this.sessions.get(claim.session)!.claims.delete(claim)
    this.#waiting.delete(claim)
    for (const name of claim.names) {
      const { holders, members, waiting } = this.names.of(name)
      holders.delete(claim)
      members.delete(claim)
      remove(waiting, claim)
    }
    this.stir(claim.names)
    this.passed('left', claim, end)
    this.#effects.ended(claim)
  }

  /** Something has come to pass with the claim that those who watch its names are to see. */
  passed(kind: Change['kind'], claim: LoggedClaim, reason: Change['reason'] = ''): void {
    if (this.#level < CHANGES_SINCE) return
    const { id, session, token, mode, data } = claim
    for (const name of claim.names)
      this.#passages.push({ kind, name, claim: id, session, token, mode, data, reason })
  }

  /** Its holder must be told. */
  notify(claim: LoggedClaim, kind: 'lost' | 'asked', note: string | undefined): void {
    this.#notices.expect({ session: claim.session, notice: { kind, token: claim.token!, note } })
  }

  stir(names: readonly string[]): void {
    for (const name of names) {
      this.#stirred.add(name)
      this.#touched.add(name)
    }
  }

  // ---- one entry

  #open(at: number, events: readonly MachineEvent[]): void {
    this.#at = at
    this.#passages = []
    this.#granted = []
    this.#sessionsEnded = []
    this.#touched = new Set()
    this.#outcomes = new Map(
      events.flatMap((event) => (event.kind === 'decided' ? [[event.claim, event.outcome]] : [])),
    )
  }

  /** All of it before anybody is granted anything. Returns when it was due. */
  #fallDue(): number[] {
    const due: number[] = []
    const isDue = (until: number | undefined): boolean => {
      if (until === undefined || until > this.#at) return false
      due.push(until)
      return true
    }
    for (const book of this.names.values()) {
      if (isDue(book.restUntil)) this.#over(book, { restUntil: undefined })
      if (isDue(book.suspension?.until)) this.#over(book, { suspension: undefined })
      if (isDue(book.result?.until)) this.#over(book, { result: undefined })
    }
    // What is due later is over with its session.
    for (const claim of this.#waiting) {
      const { deadline } = this.sessions.get(claim.session)!
      if (claim.waitUntil !== undefined && claim.waitUntil < deadline && isDue(claim.waitUntil))
        this.end(claim, 'timeout')
    }
    for (const session of this.#living) if (session.deadline <= this.#at) this.#endSession(session, 'expired')
    return due
  }

  #over(book: NameBook, remains: Partial<NameBook>): void {
    Object.assign(book, remains)
    this.stir([book.name])
  }

  /** P4: all who can be granted are, and at once. */
  #grantAll(): void {
    while (this.#stirred.size > 0) {
      const names = [...this.#stirred]
      this.#stirred = new Set()
      for (const name of names) {
        const claim = this.names.of(name).waiting[0]
        if (claim === undefined || obstacleTo(claim, this.names, this.#at) !== undefined) continue
        const outcome = this.#outcomes.get(claim.id)
        this.#outcomes.delete(claim.id)
        if (outcome !== undefined) this.grant(claim, outcome)
        else this.#contradiction('P4 no lost wakeup', { at: this.#at, name, claim })
      }
    }
    this.#tokenBeforeStep = this.#newestToken
  }

  #perform(command: Command, verdict: Verdict, nowMs: number): void {
    if (verdict.kind === 'opened') this.#renewed(verdict.session, verdict.ttlMs, nowMs)
    else if (verdict.kind === 'renewed' && command.op === 'keepAlive')
      this.#renewed(command.session, verdict.ttlMs, nowMs)
    else if (verdict.kind === 'closed' && command.op === 'close')
      this.#endSession(this.sessions.get(command.session)!, 'closed')
    else if (verdict.kind === 'raised' && command.op === 'raise')
      this.#level = Math.max(this.#level, command.level)
    else if (isRequest(command)) this.#asked(command, verdict)
  }

  #renewed(id: number, ttlMs: number, nowMs: number): void {
    const known = this.sessions.get(id)
    if (known === undefined) {
      const claims = new Set<LoggedClaim>()
      const deadline = this.#at + ttlMs
      const session = { id, ttlMs, deadline, renewedAtMs: nowMs, claims, end: undefined }
      this.sessions.set(id, session)
      this.#living.add(session)
      return
    }
    if (known.end !== undefined)
      this.#contradiction('P7 honest TTL: a session that ended was renewed', { id })
    known.deadline = this.#at + known.ttlMs
    known.renewedAtMs = nowMs
  }

  #endSession(session: LoggedSession, end: 'expired' | 'closed'): void {
    if (session.end !== undefined)
      return this.#contradiction('P7 honest TTL: a session ended that was not alive', { session })
    session.end = end
    this.#living.delete(session)
    this.#sessionsEnded.push(session)
    for (const claim of session.claims) if (claim.token === undefined) this.end(claim, end)
    for (const claim of session.claims) this.end(claim, end)
  }

  /** P5: new, or a repetition that must find the answer there was. */
  #asked(command: Request, verdict: Verdict): void {
    if (verdict.kind === 'refused' && NOT_OF_THE_SLOT.has(verdict.code))
      return this.#checkSpeaker(command, verdict.code)
    const newest = this.#replies.newestSeq(command)
    if (this.#replies.isBusy(command, this.#level))
      return this.#expectInvalid(command, verdict, 'a slot moved on from a claim that waits')
    const known = newest === command.seq ? this.#replies.get(command) : undefined
    if (command.op === 'cancel') return this.#cancelled(command, newest, known)
    if (newest > command.seq)
      return this.#contradiction('P5 exactly once: an old request was answered', { command, verdict })
    if (known !== undefined) {
      if (this.#replies.isOther(command))
        return this.#expectInvalid(command, verdict, 'another request got the reply of the first')
      this.count('repeated')
      if (known.kind === 'found' && command.op === 'acquire') return this.#foundAgain(command, verdict)
      if (!isSame(verdict, known))
        this.#contradiction('P5 exactly once: a repeated request got another answer', {
          command,
          known,
          verdict,
        })
      return
    }
    this.#replies.set(command, verdict, this.#level)
    this.#took(command, verdict)
  }

  #expectInvalid(command: Request, verdict: Verdict, otherwise: string): void {
    this.count('invalid')
    if (verdict.kind !== 'refused' || verdict.code !== 'INVALID')
      this.#contradiction(`P5 exactly once: ${otherwise}`, { command, verdict })
  }

  /** The newest there is; and never anything else. */
  #foundAgain(command: Acquire, verdict: Verdict): void {
    if (verdict.kind === 'found') this.#effects.found(command, verdict)
    else if (verdict.kind !== 'refused')
      this.#contradiction('P5 exactly once: what was found is granted after all', { command, verdict })
  }

  #took(command: Request, verdict: Verdict): void {
    if (verdict.kind === 'refused') {
      if (COUNTED[verdict.code] !== undefined) this.count(COUNTED[verdict.code]!)
      const problem = refusalProblem(command, verdict.code, this)
      if (problem !== undefined) this.#contradiction(problem, { command, verdict })
    } else if (command.op === 'acquire') this.#acquired(command, verdict)
    else this.#effects.performed(command, verdict)
  }

  #acquired(command: Acquire, verdict: Verdict): void {
    if (verdict.kind === 'found') return this.#effects.found(command, verdict)
    if (verdict.kind !== 'granted' && verdict.kind !== 'queued')
      return this.#contradiction('P5 exactly once: an acquire was answered like something else', { verdict })
    if (this.#effects.heldAgain(command, verdict)) return
    if (this.claims.has(verdict.claim))
      this.#contradiction('P5 exactly once: two requests got one claim', { command, verdict })
    const claim = claimOf(command, verdict.claim, this.claims.size, this.#at)
    const twin = this.byLabel.get(claim.label)
    if (this.#ended.has(claim.label) || (twin !== undefined && twin.end !== 'found'))
      this.#contradiction('P5 exactly once: one call made two claims, or one after it ended', { twin, claim })
    this.#effects.beforeEntering(claim)
    this.enter(claim)
    if (verdict.kind === 'granted') this.grant(claim, verdict)
    else if (command.waitMs === 0) this.#contradiction('an acquire waits that must not', { claim })
    else this.passed('queued', claim)
  }

  /** Without effect if the slot has moved on. */
  #cancelled(command: Request, newest: number, known: Verdict | undefined): void {
    if (newest > command.seq) return
    if (known?.kind === 'queued' || known?.kind === 'granted') {
      this.count('cancelled')
      this.#effects.takenBack(this.claims.get(known.claim)!)
    } else if (known !== undefined && known.kind !== 'found') return
    this.#replies.set(command, CANCELLED, this.#level)
  }

  #checkSpeaker(command: Request, code: string): void {
    const session = this.sessions.get(command.session)
    if (code === 'SESSION_EXPIRED' && session?.end === undefined)
      this.#contradiction('P7 honest TTL: refused as expired while it lives', { session, command })
    // Of work that was found done, unless that is still kept.
    const wasFound = this.#replies.get(command)?.kind === 'found'
    if (code === 'STALE_REQUEST' && this.#replies.newestSeq(command) <= command.seq && !wasFound)
      this.#contradiction('P5 exactly once: refused as old, and is not', { command })
  }

  /** A claim that waited has ended: whoever asked is told so, and how. */
  #checkOutcome(claim: LoggedClaim, end: End): void {
    const outcome = this.#outcomes.get(claim.id)
    this.#outcomes.delete(claim.id)
    const told = outcome?.kind === 'refused' ? outcome.code : outcome?.kind
    // Whoever upgrades by a claim that goes is told of that.
    const isBaseGone = claim.asked.upgrades > 0 && told === 'NOT_HELD'
    if (outcome === undefined || (told !== TOLD[end] && !isBaseGone))
      this.#contradiction('a claim that waited ended, and its session is not told so', {
        claim,
        end,
        outcome,
      })
    else this.#replies.decide(claim.request, end === 'cancelled' && !isBaseGone ? CANCELLED : outcome)
  }

  /** What the log tells beyond what followed. */
  #compare({ events }: Applied): void {
    for (const [id, outcome] of this.#outcomes) {
      const claim = this.claims.get(id)
      const obstacle = claim && obstacleTo(claim, this.names, this.#at)
      this.#contradiction(obstacle?.promise ?? 'P5 exactly once: a claim was decided for no reason', {
        claim,
        outcome,
        obstacle,
      })
    }
    const told = events.flatMap((event) => (event.kind === 'sessionEnded' ? [event] : []))
    const ended = this.#sessionsEnded.map(({ id, end }) => ({ session: id, end }))
    for (const { session, reason } of told)
      if (!ended.some((it) => it.session === session && it.end === reason))
        this.#contradiction('P7 honest TTL: a session ended early, by the cluster’s clock', {
          session,
          reason,
        })
    if (told.length !== ended.length)
      this.#contradiction('P7 honest TTL: a session ended, and nobody was told', { ended, told })
    this.#notices.check(events)
  }

  /** P1, by who holds now. */
  #checkNames(): void {
    for (const name of this.#touched) {
      const holders = [...this.names.of(name).holders]
      if (!isAgreed(holders) || !areSeated(holders)) this.#contradiction('P1 exclusion', { name, holders })
    }
  }

  #checkWaits(): void {
    if (![...this.#waiting].some(({ asked }) => asked.owner !== '')) return
    const { stuck } = new WaitGraph(this.names, [...this.#waiting], () => false)
    if (stuck.size > 0) this.#contradiction('deadlock: a task waits for itself', { stuck: [...stuck] })
  }

  #version(name: string, index: LogIndex): void {
    const state = stateOf(this.names.of(name))
    const known = this.versions.get(name)
    if (known === undefined) this.versions.set(name, [{ index, state }])
    else known.push({ index, state })
  }
}

/** The feature level from which on changes are counted. */
const CHANGES_SINCE = 2
const CANCELLED: Verdict = { kind: 'refused', code: 'CANCELLED', message: '' }
const COUNTED: Partial<Record<string, string>> = { DEADLOCK: 'deadlocks', CONFLICT: 'conflicts' }
const TOLD: Partial<Record<End, string>> = {
  timeout: 'TIMEOUT',
  cancelled: 'CANCELLED',
  expired: 'SESSION_EXPIRED',
  closed: 'SESSION_EXPIRED',
  found: 'found',
}

function isSame(a: Verdict, b: Verdict): boolean {
  if (a.kind === 'refused' && b.kind === 'refused') return a.code === b.code
  return isDeepStrictEqual(a, b)
}
