/**
 * The same machine, deliberately dumb: arrays and linear scans, no queues, no agenda, no counts. Every rule is restated
 * from what `command.ts` and the protocol say, and from nothing else.
 */
import {
  type Acquire,
  type Batch,
  type Cancel,
  type Command,
  type ForceRelease,
  type Identify,
  NO_TERMS,
  type Release,
  type RequestRelease,
  type Resume,
  type Suspend,
} from '../../src/machine/language/command.js'
import { waitsForItself } from './twin-deadlock.js'
import { BEHIND_THIEVES, FIRST, isHeld, NOTHING, type TwinClaim } from './twin-names.js'
import { type Spoken, type TwinAnswer, TwinSessions } from './twin-sessions.js'

export interface TwinApplied {
  verdicts: string[]
  events: string[]
  changes: string[]
}

export class Twin extends TwinSessions {
  members: { id: number; peer: string; client: string }[] = []
  disks: { node: number; disk: number }[] = []
  incarnation = 0
  sessionIds = 0

  apply({ at, commands }: Batch): TwinApplied {
    this.at = at
    this.events = []
    this.changes = []
    this.begin()
    const verdicts = commands.map((command) => this.perform(command))
    return { verdicts, events: this.events, changes: this.changes }
  }

  membersById(): { id: number; peer: string; client: string }[] {
    return this.members.sort((a, b) => a.id - b.id)
  }

  disksByNode(): { node: number; disk: number }[] {
    return this.disks.sort((a, b) => a.node - b.node)
  }

  /** One command, after all that is due by now. */
  perform(command: Command): string {
    const verdict = this.isTooNew(command) ? 'UNSUPPORTED' : this.obey(command)
    if (this.isTooNew(command)) this.saw('too new')
    this.budget++
    this.goOn()
    return verdict
  }

  isTooNew(command: Command): boolean {
    if (command.op === 'identify') return this.level < 1
    if (command.op === 'begin') return this.level < 4
    if (command.op === 'unknownRequest') return this.level < 4
    const isNew =
      ['update', 'downgrade', 'forceRelease', 'requestRelease', 'suspend', 'resume'].includes(command.op) ||
      (command.op === 'acquire' && (command.mode.kind !== 'exclusive' || command.terms !== undefined)) ||
      (command.op === 'release' && command.succession !== undefined)
    return isNew && this.level < 2
  }

  obey(command: Command): string {
    switch (command.op) {
      case 'unknown':
        return 'UNSUPPORTED'
      case 'open':
        return this.open(command.key, command.ttlMs)
      case 'describe':
        this.members = this.members.filter(({ id }) => id !== command.node)
        this.members.push({ id: command.node, peer: command.peer, client: command.client })
        return 'described'
      case 'forget':
        this.members = this.members.filter(({ id }) => id !== command.node)
        this.disks = this.disks.filter(({ node }) => node !== command.node)
        return 'forgotten'
      case 'raise':
        this.level = Math.max(this.level, command.level)
        return 'raised'
      case 'identify':
        return this.identify(command)
      case 'begin':
        this.incarnation ||= command.incarnation
        return 'begun'
      default:
        return this.hear(command)
    }
  }

  open(key: number, ttlMs: number): string {
    let session = this.sessions.find((each) => each.key === key && !this.isPast(each))
    if (session === undefined) {
      session = { id: ++this.sessionIds, key, ttlMs, deadline: Infinity, losses: [], ended: '' }
      this.sessions.push(session)
    }
    session.deadline = this.at + session.ttlMs
    return `opened ${session.id} ${session.ttlMs}`
  }

  identify({ node, disk }: Identify): string {
    const known = this.disks.find((each) => each.node === node)
    if (known === undefined) this.disks.push({ node, disk })
    return known === undefined || known.disk === disk ? 'identified' : 'INVALID'
  }

  hear(command: Extract<Command, { session: number }>): string {
    const session = this.sessions.find(({ id }) => id === command.session)
    if (session === undefined)
      return command.session <= this.sessionIds ? 'SESSION_EXPIRED' : 'SESSION_UNKNOWN'
    if (session.key !== command.key) return 'SESSION_FOREIGN'
    if (this.isPast(session)) return 'SESSION_EXPIRED'
    if (command.op === 'keepAlive') {
      session.deadline = this.at + session.ttlMs
      return `renewed ${session.ttlMs}`
    }
    if (command.op === 'close') {
      if (this.level < 4) this.over(session, 'closed')
      else this.endSession(session, 'closed')
      return 'closed'
    }
    return this.request(command)
  }

  request(command: Spoken): string {
    const known = this.answers.find(
      ({ session, slot }) => session === command.session && slot === command.slot,
    )
    if (command.op === 'cancel') return this.cancel(command, known)
    const payload = this.level >= 4 ? payloadOf(command) : undefined
    if (known?.seq === command.seq) {
      const isOther = [known.payload, payload].every(Boolean) && known.payload !== payload
      this.saw(isOther ? 'another request' : 'repeated')
      return isOther ? 'INVALID' : this.again(command, known.answer)
    }
    if (known !== undefined && command.seq < known.seq) return 'STALE_REQUEST'
    if (known !== undefined && this.isBusy(known, command)) return 'INVALID'
    const answer = this.answerTo(command)
    // Claims are numbered, and the answer that speaks of one says its number.
    const [, number] = /^(?:granted|queued) (\d+)/.exec(answer) ?? []
    this.remember(command, answer, number === undefined ? undefined : Number(number), payload)
    return answer
  }

  /** Whether the slot waits, or waited when this was refused before. */
  isBusy(known: TwinAnswer, { seq }: Spoken): boolean {
    const waits = known.answer.startsWith('queued')
    if (!waits && seq <= known.refused) this.saw('refused as before')
    if (waits && this.level >= 4) known.refused = Math.max(known.refused, seq)
    return waits || seq <= known.refused
  }

  /** What was found may be gone by now. It is looked for again, and never done again. */
  again(command: Spoken, answer: string): string {
    if (!answer.startsWith('found')) return answer
    const result = command.op === 'acquire' ? this.result(command) : undefined
    if (result === undefined) this.saw('found no more')
    return result ?? 'STALE_REQUEST'
  }

  answerTo(command: Exclude<Spoken, Cancel>): string {
    switch (command.op) {
      case 'acquire':
        return this.acquire(command)
      case 'release':
        return this.release(command)
      case 'update':
        return this.onHeld(command, (claim) => {
          claim.data = command.data
          this.change('updated', claim)
          return 'done 1'
        })
      case 'downgrade':
        return this.onHeld(command, (claim) => {
          if (claim.kind !== 'exclusive' || claim.terms.fingerprint !== undefined) return 'INVALID'
          claim.kind = 'shared'
          this.stir(claim.names)
          this.change('updated', claim)
          return 'done 1'
        })
      case 'forceRelease':
        return this.forceRelease(command)
      case 'requestRelease':
        return this.requestRelease(command)
      case 'suspend':
        return this.suspend(command)
      case 'resume':
        return this.resume(command)
      case 'unknownRequest':
        return 'UNSUPPORTED'
    }
  }

  onHeld({ session, token }: { session: number; token: number }, then: (claim: TwinClaim) => string): string {
    const claim = this.claims.find((each) => each.token === token && each.session === session)
    return claim === undefined ? 'NOT_HELD' : then(claim)
  }

  acquire(command: Acquire): string {
    const { names, mode, session, terms = NO_TERMS } = command
    this.clear(names)
    const inEarnest = this.claims.filter(({ kind }) => kind !== 'member')
    const met = inEarnest.filter((claim) => claim.names.some((name) => names.includes(name)))
    const use = useOf(mode.kind === 'permits' ? mode.of : 0, terms.fingerprint)
    if (mode.kind !== 'member' && met.some((claim) => useOf(claim.of, claim.terms.fingerprint) !== use))
      return 'CONFLICT'
    const result = this.result(command)
    if (result !== undefined) return result
    const refusal = terms.upgrades > 0 ? this.checkUpgrade(command, terms.upgrades) : undefined
    if (refusal !== undefined) return refusal
    const mine = terms.reentrant ? this.heldAlready(command, terms.owner) : undefined
    if (mine !== undefined) {
      mine.holds++
      this.saw('reentrant')
      return this.grantOf(mine)
    }
    if (terms.steal) {
      if (names.some((name) => this.found(name, 'suspension') !== undefined)) return 'CONFLICT'
      this.rob(command)
    }
    return this.stand(this.enter(session, command, terms), command.waitMs)
  }

  stand(claim: TwinClaim, waitMs: number | undefined): string {
    const isFree = this.mayHold(claim)
    const isRefused = waitMs === 0 && !isFree
    // Who steals has stolen by now. Who is free, and came before nobody, makes nothing worse than it is.
    const isHarmless = claim.terms.steal || (isFree && claim.names.every((name) => this.isLast(claim, name)))
    const isDeadlock = !isRefused && !isHarmless && waitsForItself(claim, isFree, this)
    if (isRefused || isDeadlock) {
      this.drop(claim)
      this.stir(claim.names)
      if (isDeadlock) this.saw(`deadlock of ${isFree ? 'one that is free' : claim.kind}`)
      return isDeadlock ? 'DEADLOCK' : 'TIMEOUT'
    }
    if (isFree) {
      this.hold(claim)
      this.granted(claim, 0)
      return this.grantOf(claim)
    }
    this.noteWait(claim)
    this.change('queued', claim)
    return `queued ${claim.id}`
  }

  isLast(claim: TwinClaim, name: string): boolean {
    return this.waiters(name).at(-1) === claim
  }

  /** Why it waits, for the tally. */
  noteWait(claim: TwinClaim): void {
    const { kind, names, permits, of, terms } = claim
    const [name] = names
    const line = this.waiters(name!)
    if (line.indexOf(claim) < line.length - 1) this.saw('stood before others by priority')
    if (this.found(name!, 'rest')) this.saw('waits for a rest')
    if (this.found(name!, 'suspension')) this.saw('waits for a suspension')
    if (terms.upgrades > 0) this.saw('waits to upgrade')
    const taken = this.holders(name!).reduce((sum, holder) => sum + holder.permits, 0)
    if (kind === 'permits' && taken + permits <= of && line[0] !== claim) this.saw('fits, behind a greater')
    if (kind === 'shared' && this.holders(name!).some((holder) => holder.kind === 'shared'))
      this.saw('reader behind a writer')
  }

  result({ names, mode, terms }: Acquire): string | undefined {
    if (mode.kind === 'member') return undefined
    const results = names.map((name) => this.found(name, 'result')).filter((each) => each !== undefined)
    const [first] = results
    if (first === undefined) return undefined
    if (first.fingerprint !== terms?.fingerprint) return 'CONFLICT'
    this.saw('found at once')
    return `found ${first.token} '${first.data}'`
  }

  checkUpgrade({ session, names }: Acquire, token: number): string | undefined {
    const base = this.claims.find((claim) => claim.token === token && claim.session === session)
    if (base?.kind !== 'shared' || base.holds > 1) return 'INVALID'
    if ([...base.names].sort().join() !== [...names].sort().join()) return 'INVALID'
    const isBehind = names.some((name) => this.waiters(name).some(({ rank }) => rank >= FIRST))
    if (isBehind) this.saw('upgrade behind another')
    return isBehind ? 'DEADLOCK' : undefined
  }

  heldAlready({ session, names, mode }: Acquire, owner: string): TwinClaim | undefined {
    return this.holders(names[0]!).find(
      (claim) =>
        claim.session === session &&
        claim.terms.owner === owner &&
        (claim.kind === mode.kind || claim.kind === 'exclusive') &&
        names.every((name) => claim.names.includes(name)) &&
        !this.claims.some(({ token, terms }) => token === undefined && terms.upgrades === claim.token),
    )
  }

  rob({ session, names, label }: Acquire): void {
    const note = `stolen by session ${session}${label === '' ? '' : `, ${label}`}`
    for (const name of names) this.evict({ kind: 'steal', name, upTo: this.tokens, session, note })
  }

  ask(claims: readonly TwinClaim[], note: string): string {
    let count = 0
    for (const claim of claims) {
      this.events.push(`session ${claim.session} asked ${claim.token} '${note}'`)
      count++
      if (--this.budget <= 0) break
    }
    return `done ${count}`
  }

  release(command: Release): string {
    return this.onHeld(command, (claim) => {
      if (claim.holds > 1) {
        claim.holds--
        return 'released'
      }
      const { heir = 0, restMs = 0, result } = command.succession ?? {}
      if (result !== undefined && claim.terms.fingerprint === undefined) return 'INVALID'
      if (restMs > 0 && claim.kind === 'member') return 'INVALID'
      if (heir > 0 && !this.promote(heir, claim)) return 'INVALID'
      if (result !== undefined) this.keepResult(claim, result.data, result.keepMs)
      this.leave(claim, 'released')
      for (const name of claim.names) if (this.rest(name, this.at + restMs)) this.saw('rest')
      return 'released'
    })
  }

  promote(id: number, { names, kind }: TwinClaim): boolean {
    const heir = this.claims.find((claim) => claim.id === id)
    if (heir === undefined || isHeld(heir) || kind !== 'exclusive' || this.isOver(heir)) return false
    if (!heir.names.every((name) => names.includes(name))) return false
    const others = heir.names.flatMap((name) => this.waiters(name))
    this.saw(others.every((other) => other === heir || other.rank < FIRST) ? 'heir' : 'heir before an heir')
    heir.rank = Math.max(FIRST, ...others.map(({ rank }) => Math.min(rank + 1, BEHIND_THIEVES)))
    if (others.some(({ terms }) => terms.steal)) this.saw('heir behind a thief')
    return true
  }

  keepResult({ names, token, terms }: TwinClaim, data: string, keepMs: number): void {
    const { fingerprint } = terms
    const name = names[0]!
    this.keep({ kind: 'result', name, until: this.at + keepMs, note: '', token: token!, fingerprint, data })
    if (this.level >= 4) return this.stir([name])
    for (const waiter of this.waiters(name)) {
      this.saw('found while it waited')
      this.answer(waiter, `found ${token} '${data}'`, 'found')
    }
  }

  forceRelease({ session, name, token, note }: ForceRelease): string {
    const claims = this.concerned(name, token)
    if (token === 0) this.evict({ kind: 'forceRelease', name, upTo: this.tokens, session, note })
    else
      for (const claim of claims) {
        this.intervene('forceRelease', name, claim.token!, session, note)
        this.force(claim, note)
      }
    return claims.length === 0 ? 'NOT_HELD' : `done ${claims.length}`
  }

  requestRelease({ name, token, note }: RequestRelease): string {
    const claims = this.concerned(name, token)
    return claims.length === 0 ? 'NOT_HELD' : this.ask(claims, note)
  }

  suspend({ session, name, forMs, note }: Suspend): string {
    this.keep({ ...NOTHING, kind: 'suspension', name, until: this.at + (forMs ?? Infinity), note })
    this.intervene('suspend', name, 0, session, note)
    return this.ask(this.holders(name), `suspended: ${note}`)
  }

  resume({ session, name, note }: Resume): string {
    const suspension = this.found(name, 'suspension')
    if (suspension === undefined) return 'NOT_HELD'
    this.saw('resumed')
    this.end(suspension)
    this.intervene('resume', name, 0, session, note)
    return 'done 1'
  }

  concerned(name: string, token: number): TwinClaim[] {
    if (token === 0) return this.holders(name)
    return this.claims.filter((claim) => claim.token === token && claim.names.includes(name))
  }

  cancel(command: Cancel, known: TwinAnswer | undefined): string {
    if (known === undefined || command.seq > known.seq) {
      if (known !== undefined && this.isBusy(known, command)) return 'INVALID'
      this.remember(command, 'CANCELLED', undefined, undefined)
      return 'cancelled'
    }
    if (command.seq < known.seq || !/^(queued|granted|found)/.test(known.answer)) return 'cancelled'
    const claim = this.claims.find(({ id }) => id === known.claim)
    known.answer = 'CANCELLED'
    known.claim = undefined
    if (claim === undefined) return 'cancelled'
    this.saw(isHeld(claim) ? 'cancelled what was granted' : 'cancelled what waited')
    if (!isHeld(claim)) this.answer(claim, 'CANCELLED', 'cancelled')
    else if (claim.holds > 1) claim.holds--
    else this.leave(claim, 'cancelled')
    return 'cancelled'
  }

  remember(command: Spoken, answer: string, claim: number | undefined, payload: string | undefined): void {
    const { session, slot, seq } = command
    this.answers = this.answers.filter((each) => each.session !== session || each.slot !== slot)
    this.answers.push({ session, slot, seq, answer, claim, payload, refused: 0, command })
  }
}

/** All of a request but its numbers; undefined of one that nobody understands. */
function payloadOf({ session, key, slot, seq, ...asked }: Spoken): string | undefined {
  return asked.op === 'unknownRequest' ? undefined : JSON.stringify(asked, inOrder)
}

/** What is the same, written in another order, is written alike. */
function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A name is a lock, a semaphore of one capacity, or a key of one work. */
function useOf(capacity: number, fingerprint: string | undefined): string {
  return capacity > 0 ? `of ${capacity}` : fingerprint === undefined ? 'lock' : `once ${fingerprint}`
}
