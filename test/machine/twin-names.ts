/**
 * The dumb half of the twin that knows names: who stands in them, in which order, what rests on them, and who may be
 * granted. Every question is asked of every claim there is.
 */
import type { Acquire, Terms } from '../../src/machine/language/command.js'

export interface TwinClaim {
  id: number
  session: number
  names: readonly string[]
  kind: 'exclusive' | 'shared' | 'permits' | 'member'
  permits: number
  of: number
  terms: Terms
  data: string
  /** The greater stands before the smaller. */
  rank: number
  holds: number
  seats: number[]
  token: number | undefined
  since: number
  deadline: number
}

export interface TwinRemains {
  kind: 'rest' | 'suspension' | 'result'
  id: number
  name: string
  until: number
  note: string
  token: number
  fingerprint: string | undefined
  data: string
}

/** Before all priorities: heirs and upgrades. */
export const FIRST = 1_000
/** Before all others, however many heirs have come first. */
export const BEHIND_THIEVES = 1_000_000_000

export class TwinNames {
  at = 0
  level = 0
  ids = 0
  tokens = 0
  revision = 0
  claims: TwinClaim[] = []
  remains: TwinRemains[] = []
  /** Those who were first in a name in which something has changed, and have not been looked at since; and of those, who is next. */
  heads: TwinClaim[] = []
  round: TwinClaim[] = []
  /** How much may still be done in this batch. */
  budget = Infinity
  events: string[] = []
  changes: string[] = []
  /** How often each rule decided something. */
  readonly tally = new Map<string, number>()

  saw(rule: string): void {
    this.tally.set(rule, (this.tally.get(rule) ?? 0) + 1)
  }

  /** In the order of their grants. */
  holders(name: string): TwinClaim[] {
    const holders = this.claims.filter((each) => each.names.includes(name) && isHeld(each))
    return holders.filter(({ kind }) => kind !== 'member').sort((a, b) => a.token! - b.token!)
  }

  /** The first in line first. */
  waiters(name: string): TwinClaim[] {
    const waiters = this.claims.filter((each) => each.names.includes(name) && !isHeld(each))
    return waiters.sort((a, b) => b.rank - a.rank || a.id - b.id)
  }

  found(name: string, kind: TwinRemains['kind']): TwinRemains | undefined {
    return this.remains.find((each) => each.name === name && each.kind === kind)
  }

  mayHold(claim: TwinClaim): boolean {
    if (isHeld(claim) || !this.claims.includes(claim)) return false
    return claim.kind === 'member' || claim.names.every((name) => this.mayHoldName(claim, name))
  }

  mayHoldName(claim: TwinClaim, name: string): boolean {
    if (this.waiters(name)[0] !== claim) return false
    if (this.found(name, 'rest') !== undefined || this.found(name, 'suspension') !== undefined) return false
    const others = this.holders(name).filter(({ token }) => token !== claim.terms.upgrades)
    if (claim.kind === 'exclusive') return others.length === 0
    if (claim.kind === 'shared') return others.every(({ kind }) => kind === 'shared')
    return others.reduce((sum, { permits }) => sum + permits, claim.permits) <= claim.of
  }

  /** Something has changed in these names. */
  stir(names: readonly string[]): void {
    for (const name of names) this.heads.push(...this.waiters(name).slice(0, 1))
  }

  /** In rounds: of the names in which something has changed, whoever is first there, the oldest claim first. */
  grantAll(onGrant: (claim: TwinClaim) => void): void {
    while (this.budget > 0 && this.round.length + this.heads.length > 0) {
      if (this.round.length === 0) {
        this.round = this.heads.sort((a, b) => a.id - b.id)
        this.heads = []
      }
      const claim = this.round.shift()!
      if (!this.claims.includes(claim) || isHeld(claim)) continue
      const result = this.found(claim.names[0]!, 'result')
      if (this.isOver(claim)) this.giveUp(claim)
      else if (result !== undefined && claim.terms.fingerprint !== undefined) {
        this.budget--
        this.saw('found while it waited')
        this.answer(claim, `found ${result.token} '${result.data}'`, 'found')
      } else if (this.mayHold(claim)) {
        this.budget -= claim.names.length
        const waitedMs = this.at - claim.since
        this.hold(claim)
        onGrant(claim)
        this.granted(claim, waitedMs)
      }
    }
  }

  isOver(claim: TwinClaim): boolean {
    return claim.deadline <= this.at || this.isOfThePast(claim)
  }

  /** Overridden by whoever knows sessions. */
  isOfThePast(_claim: TwinClaim): boolean {
    return false
  }

  giveUp(claim: TwinClaim): void {
    this.budget -= claim.names.length
    this.answer(claim, 'TIMEOUT', 'timeout')
  }

  enter(session: number, { names, mode, terms, waitMs }: Acquire, known: Terms): TwinClaim {
    const rank = terms?.steal ? Infinity : known.upgrades > 0 ? FIRST : known.priority
    const claim: TwinClaim = {
      id: ++this.ids,
      session,
      names,
      kind: mode.kind,
      permits: mode.kind === 'permits' ? mode.permits : 0,
      of: mode.kind === 'permits' ? mode.of : 0,
      terms: known,
      data: known.data,
      rank,
      holds: 1,
      seats: [],
      token: undefined,
      since: this.at,
      deadline: waitMs === undefined ? Infinity : this.at + waitMs,
    }
    this.claims.push(claim)
    return claim
  }

  hold(claim: TwinClaim): void {
    for (const name of claim.names) {
      const taken = this.holders(name).flatMap(({ seats }) => seats)
      for (let seat = 0; claim.seats.length < claim.permits; seat++)
        if (!taken.includes(seat)) claim.seats.push(seat)
    }
    claim.token = ++this.tokens
    claim.since = this.at
    claim.deadline = Infinity
    this.stir(claim.names)
  }

  granted(claim: TwinClaim, waitedMs: number): void {
    this.change('granted', claim, '', waitedMs)
    if (claim.terms.upgrades === 0) return
    this.saw('upgraded')
    this.leave(this.claims.find(({ token }) => token === claim.terms.upgrades)!, 'upgraded')
  }

  leave(claim: TwinClaim, reason: string): void {
    if (isHeld(claim)) {
      const upgrade = this.claims.find(({ token, terms }) => !token && terms.upgrades === claim.token)
      if (upgrade !== undefined) this.endUpgrade(upgrade)
    }
    this.drop(claim)
    this.stir(claim.names)
    this.change('left', claim, reason, this.at - claim.since)
    if (!isHeld(claim) || reason === 'cancelled') return
    const { minHoldMs, lockDelayMs } = claim.terms
    const isLost = reason === 'expired' || reason === 'forced'
    const held = minHoldMs > 0 ? claim.since + minHoldMs : 0
    const lost = isLost && lockDelayMs > 0 ? this.at + lockDelayMs : 0
    for (const name of claim.names)
      if (this.rest(name, Math.max(held, lost))) this.saw(held > lost ? 'minimum hold' : 'lock delay')
  }

  endUpgrade(upgrade: TwinClaim): void {
    if (this.isOver(upgrade)) this.giveUp(upgrade)
    else this.answer(upgrade, 'NOT_HELD', 'cancelled')
  }

  /** Without a trace. */
  drop(claim: TwinClaim): void {
    this.claims = this.claims.filter((each) => each !== claim)
  }

  /** Overridden by whoever remembers answers. */
  answer(claim: TwinClaim, outcome: string, reason: string): void {
    this.events.push(`claim ${claim.id}: ${outcome}`)
    this.leave(claim, reason)
  }

  rest(name: string, until: number): boolean {
    const known = this.found(name, 'rest')
    if (until <= this.at || (known !== undefined && known.until >= until)) return false
    this.keep({ ...NOTHING, kind: 'rest', name, until })
    return true
  }

  keep(what: Omit<TwinRemains, 'id'>): void {
    this.remains = this.remains.filter(({ name, kind }) => name !== what.name || kind !== what.kind)
    this.remains.push({ ...what, id: ++this.ids })
  }

  end(remains: TwinRemains): void {
    this.remains = this.remains.filter((each) => each !== remains)
    this.stir([remains.name])
  }

  change(kind: string, claim: TwinClaim, reason = '', tookMs = 0): void {
    if (this.level < 2) return
    for (const name of claim.names) {
      const { id, session, token = 0, kind: mode, data } = claim
      this.changes.push(
        `${++this.revision} ${kind} ${name}: ${id} of ${session}, token ${token}, ${mode} '${data}' ${reason} ${tookMs}`,
      )
    }
  }
}

export const NOTHING = { note: '', token: 0, fingerprint: undefined, data: '' } as const

export function isHeld(claim: TwinClaim): boolean {
  return claim.token !== undefined
}
