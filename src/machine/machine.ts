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
  Granted,
  MachineEvent,
  Refused,
  Release,
  SessionId,
  Verdict,
} from './command.js'
import { isGrantable } from './grant-rule.js'
import { LIMITS } from './limits.js'
import type { Claim } from './queues.js'
import * as refusals from './refusals.js'
import { type Session, Sessions } from './sessions.js'
import { checkCommand } from './validate.js'
import { type NamePage, type NameView, type SessionView, viewName, viewNames, viewSession } from './views.js'

export interface Applied {
  /** One per command, in the same order. */
  readonly verdicts: readonly Verdict[]
  /** In the order they came to pass. A claim whose verdict here is `queued` may already be decided here. */
  readonly events: readonly MachineEvent[]
}

const CLOSED: Verdict = { kind: 'closed' }
const RELEASED: Verdict = { kind: 'released' }
const CANCELLED: Verdict = { kind: 'cancelled' }

export class Machine {
  readonly agenda = new Agenda()
  readonly sessions = new Sessions(this.agenda)
  readonly claims = new Claims(this.agenda)

  #at = 0
  #events: MachineEvent[] = []

  /** The `at` of the newest batch. */
  get at(): number {
    return this.#at
  }

  /** When the next thing falls due; a batch with this `at` or a later one makes it happen. */
  nextDeadline(): number | undefined {
    return this.agenda.first()?.at
  }

  /** Throws if `at` goes back: the log is broken, and the node must stop. */
  apply(batch: Batch): Applied {
    assert(Number.isSafeInteger(batch.at) && batch.at >= this.#at, 'the clock of the log never goes back', {
      from: this.#at,
      to: batch.at,
    })
    this.#at = batch.at
    this.#events = []
    this.#expire()
    const verdicts = batch.commands.map((command) => this.#perform(command))
    return { verdicts, events: this.#events }
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
    const problem = checkCommand(command)
    if (problem !== undefined) return problem
    const verdict = this.#dispatch(command)
    this.claims.grantCandidates(this.#at, this.#decide)
    return verdict
  }

  #dispatch(command: Command): Verdict {
    if (command.op === 'unknown') return refusals.UNSUPPORTED
    if (command.op === 'open') return this.sessions.open(command, this.#at)
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
    this.#remember(session, command, answer)
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
      this.#remember(session, command, refusals.CANCELLED)
    } else if (
      command.seq === slot.seq &&
      (slot.answer.kind === 'queued' || slot.answer.kind === 'granted')
    ) {
      this.#takeBack(session, slot.answer.claim)
      slot.answer = refusals.CANCELLED
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

  #remember(session: Session, { slot, seq }: Acquire | Release | Cancel, answer: Verdict): void {
    const known = session.slots.get(slot)
    if (known === undefined) {
      session.slots.set(slot, { seq, answer })
      return
    }
    known.seq = seq
    known.answer = answer
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
    const slot = this.sessions.get(claim.session)!.slots.get(claim.slot)!
    assert(slot.seq === claim.seq, 'the slot of a waiting claim stays with it', { claim: claim.id })
    slot.answer = outcome
    this.#events.push({ kind: 'decided', claim: claim.id, outcome })
  }

  #leave(session: Session, claim: Claim): void {
    session.claims.delete(claim)
    this.claims.leave(claim)
  }
}
