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

export class TwinNames {
  at = 0
  level = 0
  ids = 0
  tokens = 0
  revision = 0
  claims: TwinClaim[] = []
  remains: TwinRemains[] = []
  /** Names in which something has changed since it was last asked who may be granted. */
  stirred: string[] = []
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

  /** In rounds: of the names in which something has changed, whoever is first there, the oldest claim first. */
  grantAll(onGrant: (claim: TwinClaim) => void): void {
    while (this.stirred.length > 0) {
      const heads = this.stirred.map((name) => this.waiters(name)[0])
      this.stirred = []
      const round = heads.filter((head) => head !== undefined).sort((a, b) => a.id - b.id)
      for (const claim of round) {
        if (!this.mayHold(claim)) continue
        const waitedMs = this.at - claim.since
        this.hold(claim)
        onGrant(claim)
        this.granted(claim, waitedMs)
      }
    }
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
    this.stirred.push(...claim.names)
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
      if (upgrade !== undefined) this.answer(upgrade, 'NOT_HELD', 'cancelled')
    }
    this.drop(claim)
    this.stirred.push(...claim.names)
    this.change('left', claim, reason, this.at - claim.since)
    if (!isHeld(claim) || reason === 'cancelled') return
    const { minHoldMs, lockDelayMs } = claim.terms
    const isLost = reason === 'expired' || reason === 'forced'
    const held = minHoldMs > 0 ? claim.since + minHoldMs : 0
    const lost = isLost && lockDelayMs > 0 ? this.at + lockDelayMs : 0
    for (const name of claim.names)
      if (this.rest(name, Math.max(held, lost))) this.saw(held > lost ? 'minimum hold' : 'lock delay')
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
    this.stirred.push(remains.name)
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
