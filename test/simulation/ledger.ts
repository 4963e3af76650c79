import type { LogIndex } from '../../raft/index.js'
import type { Change } from '../../src/machine/changes.js'
import type { Batch, Command, MachineEvent, RefusalCode, Verdict } from '../../src/machine/command.js'
import type { Applied as MachineApplied } from '../../src/machine/machine.js'

/** One claim as the log tells its life. */
export interface LoggedClaim {
  readonly id: number
  readonly session: number
  readonly names: readonly string[]
  readonly label: string
  /** Its place in the order in which claims entered the log. */
  readonly order: number
  token: number | undefined
  /** How it went, once it is gone. */
  end: 'released' | 'cancelled' | 'refused' | 'expired' | 'closed' | undefined
}

export interface LoggedSession {
  readonly id: number
  readonly ttlMs: number
  /** Cluster time at which it must end unless renewed. */
  deadline: number
  /** True time at which its newest renewal was first applied anywhere. */
  renewedAtMs: number
  readonly claims: Set<LoggedClaim>
  end: 'expired' | 'closed' | undefined
}

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
  /** The greatest token that was granted before. */
  readonly tokenBefore: number
  readonly granted: readonly LoggedClaim[]
  readonly ended: readonly LoggedClaim[]
  readonly sessionsEnded: readonly LoggedSession[]
  readonly names: ReadonlySet<string>
}

/** A contradiction between what the log says and what it said before. */
export type Contradiction = (promise: string, facts: Record<string, unknown>) => void

/** Refusals of requests that never came to stand in their slot. */
const UNREMEMBERED: ReadonlySet<RefusalCode> = new Set([
  'SESSION_EXPIRED',
  'SESSION_UNKNOWN',
  'SESSION_FOREIGN',
  'STALE_REQUEST',
  'INVALID',
  'UNSUPPORTED',
])

/** What an entry did, as it was then: claims go on to change. */
export interface Applied extends Omit<MachineApplied, 'changes'> {
  readonly changes: readonly (Omit<Change, 'claim'> & { readonly claim: number })[]
}

/**
 * The book of all passages, kept from nothing but the commands, verdicts and events of the log: no code of the machine is
 * in it. Every entry is written in once, when the first node applies it.
 */
export class Ledger {
  readonly claims = new Map<number, LoggedClaim>()
  readonly sessions = new Map<number, LoggedSession>()
  readonly byToken = new Map<number, LoggedClaim>()
  /** A label is the name of one `lock()` call. */
  readonly byLabel = new Map<string, LoggedClaim>()
  readonly holders = new Map<string, Set<LoggedClaim>>()
  readonly waiting = new Map<string, LoggedClaim[]>()
  readonly versions = new Map<string, NameVersion[]>()
  newestIndex: LogIndex = 0
  /** The same for every node, by index. */
  readonly applied = new Map<LogIndex, Applied>()
  readonly #contradiction: Contradiction
  readonly #requests = new Map<string, LoggedClaim>()
  readonly #newestSeq = new Map<string, number>()
  /** By token: the request that released it. */
  readonly #releases = new Map<number, string>()
  #newestToken = 0
  #granted: LoggedClaim[] = []
  #ended: LoggedClaim[] = []
  #sessionsEnded: LoggedSession[] = []

  constructor(contradiction: Contradiction) {
    this.#contradiction = contradiction
  }

  write(index: LogIndex, nowMs: number, { at, commands }: Batch, applied: Applied): Page {
    this.newestIndex = index
    const tokenBefore = this.#newestToken
    this.applied.set(index, applied)
    this.#granted = []
    this.#ended = []
    this.#sessionsEnded = []
    commands.forEach((command, k) => {
      this.#performed(command, applied.verdicts[k]!, at, nowMs)
    })
    for (const event of applied.events) this.#happened(event)
    commands.forEach((command, k) => {
      this.#repeated(command, applied.verdicts[k]!)
    })
    const names = new Set([...this.#granted, ...this.#ended].flatMap((claim) => claim.names))
    for (const command of commands)
      if (command.op === 'acquire') for (const name of command.names) names.add(name)
    for (const name of names) this.#version(name, index)
    return {
      index,
      at,
      tokenBefore,
      granted: this.#granted,
      ended: this.#ended,
      sessionsEnded: this.#sessionsEnded,
      names,
    }
  }

  #performed(command: Command, verdict: Verdict, at: number, nowMs: number): void {
    if (verdict.kind === 'opened') this.#renewed(verdict.session, verdict.ttlMs, at, nowMs)
    else if (verdict.kind === 'renewed' && command.op === 'keepAlive')
      this.#renewed(command.session, verdict.ttlMs, at, nowMs)
    else if (command.op === 'acquire') this.#acquired(command, verdict)
    else if (command.op === 'release' && verdict.kind === 'released') this.#released(command)
    else if (command.op === 'cancel' && verdict.kind === 'cancelled') this.#cancelled(command)
    if (command.op === 'acquire' || command.op === 'release' || command.op === 'cancel')
      if (verdict.kind !== 'refused' || !UNREMEMBERED.has(verdict.code)) this.#moveSlot(command)
  }

  #renewed(id: number, ttlMs: number, at: number, nowMs: number): void {
    const known = this.sessions.get(id)
    if (known === undefined) {
      const claims = new Set<LoggedClaim>()
      const deadline = at + ttlMs
      this.sessions.set(id, { id, ttlMs, deadline, renewedAtMs: nowMs, claims, end: undefined })
      return
    }
    if (known.end !== undefined)
      this.#contradiction('P7 honest TTL: a session that ended was renewed', { id })
    known.deadline = at + known.ttlMs
    known.renewedAtMs = nowMs
  }

  #acquired(command: Extract<Command, { op: 'acquire' }>, verdict: Verdict): void {
    if (verdict.kind !== 'granted' && verdict.kind !== 'queued') return
    const key = requestKey(command)
    if (this.#requests.has(key)) return
    if (this.claims.has(verdict.claim))
      this.#contradiction('P5 exactly once: two requests got one claim', { key, claim: verdict.claim })
    const { session, names, label } = command
    const order = this.claims.size
    const claim: LoggedClaim = {
      id: verdict.claim,
      session,
      names,
      label,
      order,
      token: undefined,
      end: undefined,
    }
    const twin = this.byLabel.get(label)
    if (twin !== undefined)
      this.#contradiction('P5 exactly once: one lock() entered the queue twice', { label, twin, claim })
    this.claims.set(claim.id, claim)
    this.byLabel.set(label, claim)
    this.#requests.set(key, claim)
    this.sessions.get(session)?.claims.add(claim)
    for (const name of names) this.#waitersOf(name).push(claim)
    if (verdict.kind === 'granted') this.#grant(claim, verdict.token)
  }

  /** A repeated request is answered as it was the first time, or as it was decided since. */
  #repeated(command: Command, verdict: Verdict): void {
    if (command.op !== 'acquire') return
    const claim = this.#requests.get(requestKey(command))
    if (claim === undefined || (verdict.kind !== 'granted' && verdict.kind !== 'queued')) return
    const same = verdict.claim === claim.id && (verdict.kind === 'queued' || verdict.token === claim.token)
    if (!same)
      this.#contradiction('P5 exactly once: a repeated request got another answer', { claim, verdict })
  }

  #released(command: Extract<Command, { op: 'release' }>): void {
    const claim = this.byToken.get(command.token)
    const key = requestKey(command)
    if (claim === undefined)
      return this.#contradiction('P5 exactly once: released what was never granted', { key })
    if (claim.end === undefined) {
      this.#releases.set(command.token, key)
      this.#end(claim, 'released')
    } else if (this.#releases.get(command.token) !== key) {
      this.#contradiction('P5 exactly once: released twice', { claim, key })
    }
  }

  /** Without effect if the slot has moved on. */
  #cancelled(command: Extract<Command, { op: 'cancel' }>): void {
    const claim = this.#requests.get(requestKey(command))
    if (claim !== undefined && claim.end === undefined && this.#newest(command) === command.seq)
      this.#end(claim, 'cancelled')
  }

  #newest(command: { session: number; slot: number }): number {
    return this.#newestSeq.get(`${command.session}/${command.slot}`) ?? 0
  }

  #moveSlot(command: { session: number; slot: number; seq: number }): void {
    if (command.seq > this.#newest(command))
      this.#newestSeq.set(`${command.session}/${command.slot}`, command.seq)
  }

  #happened(event: MachineEvent): void {
    if (event.kind === 'sessionEnded') {
      const session = this.sessions.get(event.session)
      if (session === undefined || session.end !== undefined)
        return this.#contradiction('P7 honest TTL: a session ended that was not alive', { event })
      session.end = event.reason
      this.#sessionsEnded.push(session)
      for (const claim of session.claims) this.#end(claim, event.reason)
      return
    }
    if (event.kind === 'noticed') return
    const claim = this.claims.get(event.claim)
    if (claim === undefined)
      return this.#contradiction('P5 exactly once: a claim was decided that nobody made', { event })
    if (event.outcome.kind === 'granted') this.#grant(claim, event.outcome.token)
    else this.#end(claim, 'refused')
  }

  #grant(claim: LoggedClaim, token: number): void {
    const holder = this.byToken.get(token)
    if (claim.token !== undefined || holder !== undefined)
      this.#contradiction('P2 fencing: a token was given twice', { token, claim, holder })
    claim.token = token
    this.byToken.set(token, claim)
    this.#newestToken = Math.max(this.#newestToken, token)
    this.#granted.push(claim)
    for (const name of claim.names) {
      remove(this.#waitersOf(name), claim)
      // Cancelled in the same entry, and told of after the fact: it never held at the end of an entry.
      if (claim.end === undefined) this.#holdersOf(name).add(claim)
    }
  }

  #end(claim: LoggedClaim, end: NonNullable<LoggedClaim['end']>): void {
    if (claim.end !== undefined) return
    claim.end = end
    this.#ended.push(claim)
    this.sessions.get(claim.session)?.claims.delete(claim)
    for (const name of claim.names) {
      this.#holdersOf(name).delete(claim)
      remove(this.#waitersOf(name), claim)
    }
  }

  #version(name: string, index: LogIndex): void {
    const tokens = [...this.#holdersOf(name)].map((claim) => claim.token)
    const labels = this.#waitersOf(name).map((claim) => claim.label)
    find(this.versions, name, () => []).push({ index, state: nameState(tokens, labels) })
  }

  #holdersOf(name: string): Set<LoggedClaim> {
    return find(this.holders, name, () => new Set())
  }

  #waitersOf(name: string): LoggedClaim[] {
    return find(this.waiting, name, () => [])
  }
}

function find<T>(map: Map<string, T>, key: string, create: () => T): T {
  const known = map.get(key)
  if (known !== undefined) return known
  const created = create()
  map.set(key, created)
  return created
}

export function nameState(tokens: readonly (number | undefined)[], waitingLabels: readonly string[]): string {
  return `held ${tokens.join()} waiting ${waitingLabels.join()}`
}

function requestKey({ session, slot, seq }: { session: number; slot: number; seq: number }): string {
  return `${session}/${slot}/${seq}`
}

function remove<T>(list: T[], item: T): void {
  const place = list.indexOf(item)
  if (place >= 0) list.splice(place, 1)
}
