/**
 * The replicated state machine: the same batches in the same order give the same verdicts, events and state
 * on every node. It knows no time but the `at` of the batches, and draws nothing at random.
 *
 * A batch is applied in two steps. First all that is due by its `at` expires, in the order of the agenda,
 * and only then is the room that leaves given out: whoever expires in the same batch is not granted
 * anything on the way. Then its commands run in their order, each with all it makes possible (P4), before
 * the next.
 */
import { Agenda } from './agenda.js'
import { assert } from './assert.js'
import { Claims } from './claims.js'
import type {
  Acquire,
  Batch,
  Cancel,
  Command,
  Forget,
  Granted,
  MachineEvent,
  Raise,
  Refused,
  Release,
  SessionId,
  Verdict,
} from './command.js'
import { Digest } from './digest.js'
import { Disks } from './disks.js'
import { FEATURE_LEVEL, FeatureLevelError, levelOf } from './feature-level.js'
import { isGrantable } from './grant-rule.js'
import { Ledger } from './ledger.js'
import { LIMITS } from './limits.js'
import { Members } from './members.js'
import type { Claim } from './queues.js'
import { type Fields, RECORD_FORMAT, type RecordChange, RecordReader, SUMMARY_KEY } from './records.js'
import * as refusals from './refusals.js'
import { type Session, Sessions } from './sessions.js'
import { finish, forEach, type Steps } from './steps.js'
import { checkCommand } from './validate.js'
import { type NamePage, type NameView, type SessionView, viewName, viewNames, viewSession } from './views.js'

export interface Applied {
  /** One per command, in the same order. */
  readonly verdicts: readonly Verdict[]
  /** In the order they came to pass. A claim whose verdict here is `queued` may already be decided here. */
  readonly events: readonly MachineEvent[]
}

/**
 * A cluster goes on after a backup of it was taken, and nobody knows how far: this is more grants than it can have made
 * since. At 30,000 a second it takes more than four years to make 2^42. Tokens end at 2^53, so a cluster and its
 * successors can be restored some 2,000 times.
 */
const SUCCESSION_LEAP = 2 ** 42

const CLOSED: Verdict = { kind: 'closed' }
const RELEASED: Verdict = { kind: 'released' }
const CANCELLED: Verdict = { kind: 'cancelled' }
const RAISED: Verdict = { kind: 'raised' }

export class Machine {
  readonly agenda = new Agenda()
  readonly ledger = new Ledger()
  readonly sessions = new Sessions(this.agenda, this.ledger)
  readonly claims = new Claims(this.agenda, this.ledger)
  readonly members = new Members(this.ledger)
  readonly disks = new Disks(this.ledger)

  #at = 0
  #level = 0
  #digest = new Digest(0)
  #events: MachineEvent[] = []

  /** The `at` of the newest batch. */
  get at(): number {
    return this.#at
  }

  /** Equal on every node that has applied the same batches; a whole number. */
  get digest(): number {
    return this.#digest.value
  }

  /** The feature level of the cluster. */
  get level(): number {
    return this.#level
  }

  /** When the next thing falls due; a batch with this `at` or a later one makes it happen. */
  nextDeadline(): number | undefined {
    return this.agenda.first()?.at
  }

  /** Throws if `at` goes back (the log is broken), or a `FeatureLevelError`: the node must stop. */
  apply(batch: Batch): Applied {
    assert(Number.isSafeInteger(batch.at) && batch.at >= this.#at, 'the clock of the log never goes back', {
      from: this.#at,
      to: batch.at,
    })
    this.#at = batch.at
    this.#events = []
    this.#expire()
    const verdicts = batch.commands.map((command) => this.#perform(command))
    this.#digestStep(verdicts)
    return { verdicts, events: this.#events }
  }

  /**
   * Begins a checkpoint of this moment and returns its first record; the others come from `ledger.take`, while the
   * machine goes on. Records of earlier checkpoints that are not among them are still valid.
   */
  beginCheckpoint(): RecordChange {
    this.ledger.freeze()
    const { sessions, claims } = this
    const format = this.#level === 0 ? RECORD_FORMAT.first : RECORD_FORMAT.levelled
    const fields = [format, this.#at, sessions.nextId, claims.nextId, claims.nextToken, this.digest]
    return { key: SUMMARY_KEY, fields: this.#level === 0 ? fields : [...fields, this.#level] }
  }

  /** The machine as its checkpoints left it. Throws a RangeError at a record that this version does not understand. */
  static restore(records: Iterable<readonly [key: string, fields: Fields]>): Machine {
    const reader = new RecordReader()
    for (const [key, fields] of records) reader.read(key, fields)
    return finish(Machine.restoring(reader))
  }

  /** The same, in steps, of records that have been read. */
  static *restoring(reader: RecordReader): Steps<Machine> {
    const machine = new Machine()
    yield* machine.#restore(reader)
    return machine
  }

  /**
   * What a cluster begins with that goes on where this one was, after a restore: nobody has a session, all queues are
   * empty, the clock stands where it stood. Numbers of tokens, sessions and claims move ahead by `SUCCESSION_LEAP`, and
   * first behind `tokensAfter`, the greatest token that is known to have been given out since. Throws a RangeError if
   * that leaves less than another leap.
   */
  successor(tokensAfter: number): Machine {
    const { sessions, claims } = this
    const newest = Math.max(sessions.nextId, claims.nextId, claims.nextToken, tokensAfter + 1)
    const next = newest + SUCCESSION_LEAP
    if (next + SUCCESSION_LEAP > Number.MAX_SAFE_INTEGER) {
      throw new RangeError(
        `tokens would go on from ${next}, too near to 2^53, the last that can be told apart: no further restore is possible`,
      )
    }
    const successor = new Machine()
    successor.#at = this.#at
    successor.#digest = new Digest(this.digest)
    successor.#digest.at(next)
    successor.sessions.nextId = next
    successor.claims.nextId = next
    successor.claims.nextToken = next
    return successor
  }

  name(name: string): NameView | undefined {
    const queue = this.claims.queues.get(name)
    return queue && viewName(queue, this.sessions)
  }

  /** Names with `prefix`, after the name `after` (exclusive), in code unit order. One pass over all names. */
  names(prefix: string, after: string, limit: number): NamePage {
    return viewNames(this.claims.queues, this.sessions, prefix, after, limit)
  }

  session(id: SessionId): SessionView | undefined {
    const session = this.sessions.get(id)
    return session && viewSession(session)
  }

  *#restore({ summary, sessions, slots, claims, members, disks }: RecordReader): Steps<void> {
    const [format, at, nextSession, nextClaim, nextToken, digest, level = 0] = summary as readonly number[]
    if (format !== RECORD_FORMAT.first && format !== RECORD_FORMAT.levelled) {
      throw new RangeError(`records of format ${format}; upgrade this node`)
    }
    if (level > FEATURE_LEVEL) throw new FeatureLevelError(level)
    this.#level = level
    this.#at = at!
    this.#digest = new Digest(digest!)
    this.sessions.nextId = nextSession!
    this.claims.nextId = nextClaim!
    this.claims.nextToken = nextToken!
    yield* forEach(sessions, (session) => this.sessions.restore(session))
    yield* forEach(slots, (slot) => this.sessions.restoreSlot(slot))
    if (members !== undefined) this.members.restore(members)
    if (disks !== undefined) this.disks.restore(disks)
    yield* this.claims.restoreAll(claims, (claim) => this.sessions.get(claim.session)!.claims.add(claim))
  }

  #digestStep(verdicts: readonly Verdict[]): void {
    this.#digest.at(this.#at)
    for (const verdict of verdicts) this.#digest.verdict(verdict)
    for (const event of this.#events) this.#digest.event(event)
  }

  #expire(): void {
    let due = this.agenda.first()
    while (due !== undefined && due.at <= this.#at) {
      if (due.kind === 'session') this.#endSession(this.sessions.get(due.id)!, 'expired')
      else this.#refuseWaiting(this.claims.get(due.id)!, refusals.WAITED_OUT)
      due = this.agenda.first()
    }
    this.claims.grantCandidates(this.#at, this.#decide)
  }

  #perform(command: Command): Verdict {
    if (levelOf(command) > this.#level) return refusals.UNSUPPORTED
    const problem = checkCommand(command)
    if (problem !== undefined) return problem
    const verdict = this.#dispatch(command)
    this.claims.grantCandidates(this.#at, this.#decide)
    return verdict
  }

  #dispatch(command: Command): Verdict {
    if (command.op === 'unknown') return refusals.UNSUPPORTED
    if (command.op === 'open') return this.sessions.open(command, this.#at)
    if (command.op === 'describe') return this.members.describe(command)
    if (command.op === 'forget') return this.#forget(command)
    if (command.op === 'identify') return this.disks.identify(command)
    if (command.op === 'raise') return this.#raise(command)
    const refusal = this.sessions.checkSpeaker(command.session, command.key)
    if (refusal !== undefined) return refusal
    const session = this.sessions.get(command.session)!
    switch (command.op) {
      case 'keepAlive':
        this.sessions.renew(session, this.#at)
        return { kind: 'renewed', ttlMs: session.ttlMs }
      case 'close':
        this.#endSession(session, 'closed')
        return CLOSED
      case 'cancel':
        return this.#cancel(session, command)
      default:
        return this.#once(session, command)
    }
  }

  #forget(command: Forget): Verdict {
    this.disks.forget(command.node)
    return this.members.forget(command)
  }

  /** A level that has been reached stays. */
  #raise({ level }: Raise): Verdict {
    if (level > FEATURE_LEVEL) throw new FeatureLevelError(level)
    this.#level = Math.max(this.#level, level)
    return RAISED
  }

  /**
   * Exactly once: the slot's newest request is answered again, an older one refused, a newer one
   * performed.
   */
  #once(session: Session, command: Acquire | Release): Verdict {
    const slot = session.slots.get(command.slot)
    if (slot?.seq === command.seq) return slot.answer
    if (slot !== undefined && command.seq < slot.seq) return refusals.STALE_REQUEST
    if (slot?.answer.kind === 'queued') return refusals.SLOT_BUSY
    const answer =
      command.op === 'acquire' ? this.#acquire(session, command) : this.#release(session, command)
    this.sessions.remember(session, command.slot, command.seq, answer)
    return answer
  }

  #acquire(session: Session, command: Acquire): Verdict {
    const noRoom = this.#checkRoom(session, command)
    if (noRoom !== undefined) return noRoom
    const claim = this.claims.enter(session.id, command, this.#at)
    session.claims.add(claim)
    if (isGrantable(claim)) return this.claims.grant(claim, this.#at)
    if (command.waitMs === 0) {
      this.#leave(session, claim)
      return refusals.NOT_FREE
    }
    if (command.waitMs !== undefined) this.claims.limitWait(claim, this.#at + command.waitMs)
    return { kind: 'queued', claim: claim.id }
  }

  #checkRoom(session: Session, command: Acquire): Refused | undefined {
    if (session.claims.size < LIMITS.claimsPerSessionMax) return this.claims.checkRoom(command.names)
    return refusals.limitReached('claims per session', LIMITS.claimsPerSessionMax)
  }

  /**
   * Only ever touches a claim of this session: a token that has passed on to another holder is safe from
   * it.
   */
  #release(session: Session, { token }: Release): Verdict {
    if (token >= this.claims.nextToken) return refusals.TOKEN_NEVER_GRANTED
    const claim = this.claims.withToken(token)
    if (claim === undefined) return refusals.TOKEN_GONE
    if (claim.session !== session.id) return refusals.TOKEN_FOREIGN
    this.#leave(session, claim)
    return RELEASED
  }

  /**
   * Afterwards nothing of the acquire is left, and it finds CANCELLED if it is repeated or arrives late.
   * Without effect on an older request of the slot, and on one that was refused or was a release.
   */
  #cancel(session: Session, command: Cancel): Verdict {
    const slot = session.slots.get(command.slot)
    if (slot === undefined || command.seq > slot.seq) {
      if (slot?.answer.kind === 'queued') return refusals.SLOT_BUSY
      this.sessions.remember(session, command.slot, command.seq, refusals.CANCELLED)
    } else if (
      command.seq === slot.seq &&
      (slot.answer.kind === 'queued' || slot.answer.kind === 'granted')
    ) {
      this.#takeBack(session, slot.answer.claim)
      this.sessions.remember(session, slot.number, slot.seq, refusals.CANCELLED)
    }
    return CANCELLED
  }

  /** The claim may be gone: granted, and released since through another slot. */
  #takeBack(session: Session, id: number): void {
    const claim = this.claims.get(id)
    if (claim === undefined) return
    if (claim.token === undefined) this.#refuseWaiting(claim, refusals.CANCELLED)
    else this.#leave(session, claim)
  }

  #endSession(session: Session, reason: 'expired' | 'closed'): void {
    for (const claim of session.claims) {
      if (claim.token === undefined) this.#refuseWaiting(claim, refusals.SESSION_EXPIRED)
      else this.#leave(session, claim)
    }
    this.sessions.remove(session)
    this.#events.push({ kind: 'sessionEnded', session: session.id, reason })
  }

  #refuseWaiting(claim: Claim, refusal: Refused): void {
    this.#decide(claim, refusal)
    this.#leave(this.sessions.get(claim.session)!, claim)
  }

  /** A claim that was queued has its outcome: its slot, which is still busy with it, remembers. */
  readonly #decide = (claim: Claim, outcome: Granted | Refused): void => {
    const session = this.sessions.get(claim.session)!
    const slot = session.slots.get(claim.slot)!
    assert(slot.seq === claim.seq, 'the slot of a waiting claim stays with it', { claim: claim.id })
    this.sessions.remember(session, slot.number, slot.seq, outcome)
    this.#events.push({ kind: 'decided', claim: claim.id, outcome })
  }

  #leave(session: Session, claim: Claim): void {
    session.claims.delete(claim)
    this.claims.leave(claim)
  }
}
