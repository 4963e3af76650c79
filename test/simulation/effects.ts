import type { Acquire, Release, Suspend, Verdict } from '../../src/machine/language/command.js'
import { areSame, isBeforeAll, type LoggedClaim, makeHeir, type Request, useOf } from './book.js'
import type { Contradiction, Ledger } from './ledger.js'

const GRANTED = {
  exclusive: 'grantedExclusive',
  shared: 'grantedShared',
  permits: 'grantedPermits',
  member: 'joined',
} as const

/** What follows from what the log says: for the claim that it is about, for others, for names. */
export class Effects {
  readonly #ledger: Ledger
  readonly #contradiction: Contradiction

  constructor(ledger: Ledger, contradiction: Contradiction) {
    this.#ledger = ledger
    this.#contradiction = contradiction
  }

  // ---- how claims begin

  /** Whether the claim is one that its owner held already. */
  heldAgain(command: Acquire, verdict: Verdict): boolean {
    if (command.terms?.reentrant !== true) return false
    const { session, names, mode, terms } = command
    const held = [...(this.#ledger.sessions.get(session)?.claims ?? [])].filter(
      (claim) =>
        claim.token !== undefined &&
        claim.asked.owner === terms.owner &&
        !this.#isUpgrading(claim) &&
        (claim.mode.kind === mode.kind || claim.mode.kind === 'exclusive') &&
        names.every((name) => claim.names.includes(name)),
    )
    if (held.length === 0) return false
    const again = held.find((claim) => verdict.kind === 'granted' && claim.token === verdict.token)
    if (again === undefined)
      this.#contradiction('reentrancy: not what its owner holds', { command, verdict, held })
    else again.holds++
    this.#ledger.count('reentered')
    return true
  }

  /** Another waits to take its place. */
  #isUpgrading({ token }: LoggedClaim): boolean {
    return [...this.#ledger.waiting].some(({ asked }) => asked.upgrades > 0 && asked.upgrades === token)
  }

  beforeEntering(claim: LoggedClaim): void {
    const { mode, asked } = claim
    if (mode.kind !== 'member') for (const name of claim.names) this.#checkUse(claim, name)
    if (asked.upgrades > 0) this.#checkUpgrade(claim)
    if (asked.steal) this.#steal(claim)
  }

  granted({ mode, asked }: LoggedClaim): void {
    this.#ledger.count(GRANTED[mode.kind])
    if (asked.steal) this.#ledger.count('stolen')
    const base = this.#ledger.byToken.get(asked.upgrades)
    if (base === undefined) return
    this.#ledger.count('upgraded')
    this.#ledger.end(base, 'upgraded')
  }

  found({ names, terms }: Acquire, { token, data }: { token: number; data: string }): void {
    this.#ledger.count('found')
    const [name] = names
    const { result } = this.#ledger.names.of(name!)
    if (result?.token !== token || result.data !== data || result.fingerprint !== terms?.fingerprint)
      this.#contradiction('once: found what was not left, or is over', {
        at: this.#ledger.at,
        name,
        token,
        result,
      })
  }

  /** Work of one kind, and of one fingerprint, under one name; and what has been done is not done again. */
  #checkUse(claim: LoggedClaim, name: string): void {
    const { holders, waiting, result } = this.#ledger.names.of(name)
    const other = [...holders, ...waiting].find((it) => useOf(it) !== useOf(claim))
    if (other !== undefined)
      this.#contradiction('one use: a name is used in two ways', { name, claim, other })
    if (result !== undefined) this.#contradiction('once: work is done again', { name, claim, result })
  }

  #checkUpgrade({ session, names, asked }: LoggedClaim): void {
    const base = this.#ledger.byToken.get(asked.upgrades)
    const isOwn = base?.session === session && base.end === undefined && base.mode.kind === 'shared'
    if (!isOwn || !areSame(base.names, names))
      this.#contradiction('upgrade: of what is no shared claim of the session', { session, names, base })
    const rival = names.map((name) => this.#ledger.names.of(name).waiting[0]).find(isBeforeAll)
    if (rival !== undefined)
      this.#contradiction('deadlock: behind one who waits for it to leave', { session, names, rival })
  }

  #steal({ names }: LoggedClaim): void {
    for (const name of names) {
      const book = this.#ledger.names.of(name)
      for (const holder of book.holders) this.#force(holder)
    }
    for (const name of names) this.#ledger.names.of(name).restUntil = undefined
  }

  // ---- what is done about claims that are held

  performed(command: Request, verdict: Verdict): void {
    const expected = command.op === 'release' ? 'released' : 'done'
    if (verdict.kind !== expected)
      return this.#contradiction('P5 exactly once: answered like something else', { command, verdict })
    switch (command.op) {
      case 'release':
        return this.#release(this.#held(command), command)
      case 'update': {
        const claim = this.#held(command)
        claim.data = command.data
        this.#ledger.count('updated')
        return this.#ledger.passed('updated', claim)
      }
      case 'downgrade':
        return this.#downgrade(this.#held(command))
      case 'forceRelease':
        for (const claim of this.#concerned(command, verdict)) this.#force(claim, command.note)
        return
      case 'requestRelease':
        return this.#ask(this.#concerned(command, verdict), command.note)
      case 'suspend':
        return this.#suspend(command, verdict)
      case 'resume':
        if (this.#ledger.names.of(command.name).suspension === undefined)
          this.#contradiction('suspension: resumed what was not suspended', { command })
        this.#ledger.names.of(command.name).suspension = undefined
        this.#ledger.count('resumed')
        return this.#ledger.stir([command.name])
    }
  }

  /** Of an acquire that was granted, one holding; of one that waits, all of it. */
  takenBack(claim: LoggedClaim): void {
    if (claim.holds > 1) claim.holds--
    else this.#ledger.end(claim, 'cancelled')
  }

  #release(claim: LoggedClaim, { succession }: Release): void {
    if (--claim.holds > 0) return
    const { heir = 0, restMs = 0, result } = succession ?? {}
    if (heir > 0) this.#follow(claim, heir)
    const at = this.#ledger.at
    const { fingerprint } = claim.asked
    if (result !== undefined) {
      const book = this.#ledger.names.of(claim.names[0]!)
      book.result = {
        token: claim.token!,
        fingerprint: fingerprint!,
        data: result.data,
        until: at + result.keepMs,
      }
      this.#ledger.count('results')
      for (const waiter of [...book.waiting]) this.#ledger.end(waiter, 'found')
    }
    this.#ledger.end(claim, 'released')
    if (restMs > 0) this.#rest(claim.names, at + restMs)
  }

  #follow(claim: LoggedClaim, id: number): void {
    const heir = this.#ledger.claims.get(id)
    const isInLine = heir !== undefined && this.#ledger.waiting.has(heir) && claim.mode.kind === 'exclusive'
    if (!isInLine || !heir.names.every((name) => claim.names.includes(name)))
      return this.#contradiction('heirs: one who does not wait for just these names', { claim, heir })
    this.#ledger.count('heirs')
    makeHeir(heir, this.#ledger.names)
  }

  #downgrade(claim: LoggedClaim): void {
    if (claim.mode.kind !== 'exclusive') this.#contradiction('downgrade: of what is not exclusive', { claim })
    claim.mode = { kind: 'shared' }
    this.#ledger.count('downgraded')
    this.#ledger.passed('updated', claim)
    this.#ledger.stir(claim.names)
  }

  #force(claim: LoggedClaim, note?: string): void {
    this.#ledger.count('forced')
    this.#ledger.notify(claim, 'lost', note)
    this.#ledger.end(claim, 'forced')
  }

  #ask(claims: readonly LoggedClaim[], note: string): void {
    for (const claim of claims) {
      this.#ledger.count('asked')
      this.#ledger.notify(claim, 'asked', note)
    }
  }

  #suspend({ name, forMs, note }: Suspend, verdict: Verdict): void {
    const book = this.#ledger.names.of(name)
    book.suspension = { until: forMs === undefined ? undefined : this.#ledger.at + forMs }
    this.#ledger.count('suspended')
    this.#ask(this.#concerned({ name, token: 0 }, verdict), `suspended: ${note}`)
  }

  /** The session's own, by its token, and still held. */
  #held(command: { readonly session: number; readonly token: number }): LoggedClaim {
    const claim = this.#ledger.byToken.get(command.token)
    if (claim?.session !== command.session || claim.end !== undefined)
      this.#contradiction('P5 exactly once: done about what the session does not hold, or not any more', {
        command,
        claim,
      })
    return claim!
  }

  #concerned(
    { name, token }: { readonly name: string; readonly token: number },
    verdict: Verdict,
  ): LoggedClaim[] {
    const { holders, members } = this.#ledger.names.of(name)
    const claims = token === 0 ? [...holders] : [...holders, ...members].filter((it) => it.token === token)
    if (verdict.kind !== 'done' || verdict.count !== claims.length)
      this.#contradiction('by force: not of those whom it concerns', { name, token, verdict, claims })
    return claims
  }

  // ---- how claims end

  /** Whoever held it may leave a rest; and who upgrades by it can't any more. */
  ended(claim: LoggedClaim): void {
    const { token, end, asked, since, names } = claim
    if (token === undefined) {
      if (end === 'found') this.#ledger.count('found')
      return
    }
    const at = this.#ledger.at
    for (const upgrade of [...this.#ledger.waiting])
      if (upgrade.asked.upgrades === token) this.#ledger.end(upgrade, 'cancelled')
    if (end === 'cancelled') return
    const isLost = end === 'expired' || end === 'forced'
    this.#rest(
      names,
      Math.max(isLost ? at + asked.lockDelayMs : 0, asked.minHoldMs > 0 ? since + asked.minHoldMs : 0),
    )
  }

  #rest(names: readonly string[], until: number): void {
    if (until <= this.#ledger.at) return
    this.#ledger.count('rests')
    for (const name of names) {
      const book = this.#ledger.names.of(name)
      book.restUntil = Math.max(book.restUntil ?? 0, until)
    }
  }
}
