/**
 * The replicated state machine: the same batches in the same order give the same verdicts, events and state
 * on every node. It knows no time but the `at` of the batches, and draws nothing at random.
 *
 * A batch is applied in two steps. First what is due by its `at` expires, in the order of the agenda, and the room that
 * leaves is given out; whoever is over in the same batch is not granted anything on the way. Then its commands run in their order, each
 * with all it makes possible (P4), before the next. What one batch does of all that is bounded: the next go on with it.
 */
import { Agenda } from './agenda.js'
import { assert } from './assert.js'
import { Backlog } from './backlog.js'
import { Budget } from './budget.js'
import type { Change } from './changes.js'
import { Claims } from './claims.js'
import { Digest } from './digest.js'
import { type Eviction, Force } from './force.js'
import { firstTokenAt, Incarnation } from './incarnation.js'
import * as views from './inspection/views.js'
import { Interventions } from './interventions.js'
import { Journal } from './journal.js'
import type {
  Batch,
  Begin,
  Command,
  Forget,
  MachineEvent,
  OpenSession,
  Raise,
  Refused,
  SessionId,
  Verdict,
} from './language/command.js'
import { LIMITS } from './language/limits.js'
import * as refusals from './language/refusals.js'
import { checkCommand, checkRequest } from './language/validate.js'
import { Ledger } from './records/ledger.js'
import {
  type Fields,
  RECORD_FORMAT,
  type RecordChange,
  RecordReader,
  SUMMARY_KEY,
} from './records/records.js'
import { AllRemains } from './remains.js'
import { type Request, Requests } from './requests.js'
import { Disks } from './roster/disks.js'
import {
  BRIEF_DIGESTS_SINCE,
  CHANGES_SINCE,
  FEATURE_LEVEL,
  FeatureLevelError,
  INCARNATION_SINCE,
  levelOf,
  REPLIES_REMEMBERED_SINCE,
} from './roster/feature-level.js'
import { Members } from './roster/members.js'
import { addClaim, isOver, Sessions } from './sessions.js'
import { Standing } from './standing.js'
import { finish, forEach, type Steps } from './steps.js'

export interface Applied {
  /** One per command, in the same order. */
  readonly verdicts: readonly Verdict[]
  /** In the order they came to pass. A claim whose verdict here is `queued` may already be decided here. */
  readonly events: readonly MachineEvent[]
  /** In the order they came to pass; none below feature level 2. */
  readonly changes: readonly Change[]
}

const DIGESTED_LENGTH_MAX = 64

/** Of the summary: what a batch has left to the next. */
type WorkLeft = readonly [
  round: readonly number[],
  candidates: readonly number[],
  evictions: readonly (readonly [Eviction['kind'], string, number, number, string])[],
]

const CLOSED: Verdict = { kind: 'closed' }
const RAISED: Verdict = { kind: 'raised' }
const BEGUN: Verdict = { kind: 'begun' }

export class Machine {
  readonly agenda = new Agenda()
  readonly ledger = new Ledger()
  readonly sessions = new Sessions(this.agenda, this.ledger)
  readonly claims = new Claims(this.agenda, this.ledger)
  readonly members = new Members(this.ledger)
  readonly disks = new Disks(this.ledger)
  readonly remains = new AllRemains(this.agenda, this.ledger, this.claims.queues)
  readonly interventions = new Interventions(this.ledger)
  readonly incarnation = new Incarnation()

  readonly #journal = new Journal()
  readonly #budget = new Budget()
  readonly #standing: Standing
  readonly #force: Force
  readonly #requests: Requests
  readonly #backlog: Backlog
  #at = 0
  #digest = new Digest(0)

  /** `workMax`: see `LIMITS.workMax`, which it is on every node of a cluster. */
  constructor(workMax: number = LIMITS.workMax) {
    const { agenda, sessions, claims, remains } = this
    const budget = this.#budget
    const standing = new Standing(sessions, claims, remains, this.#journal, budget)
    const force = new Force(standing, this.interventions)
    this.#standing = standing
    this.#force = force
    this.#requests = new Requests(standing, force)
    this.#backlog = new Backlog({ agenda, sessions, claims, remains, standing, force, budget, workMax })
  }

  /** The `at` of the newest batch. */
  get at(): number {
    return this.#at
  }

  /** Equal on every node that has applied the same batches; a whole number. */
  get digest(): number {
    return this.#digest.value
  }

  /** Of the newest change of any name. */
  get revision(): number {
    return this.#journal.revision
  }

  /** The feature level of the cluster. */
  get level(): number {
    return this.#standing.level
  }

  /** Nothing was ever applied. */
  get isNew(): boolean {
    return this.digest === 0
  }

  /** Counts the changes of what a node must know of its peers before it meets them. */
  get membersRevision(): number {
    return this.members.revision + this.disks.revision + (this.incarnation.number === 0 ? 0 : 1)
  }

  /** An estimate of what all that it holds takes of the heap, the same on every node: see `BYTES`. */
  get heldBytes(): number {
    return this.claims.heldBytes + this.sessions.heldBytes + this.remains.heldBytes
  }

  /**
   * When the next thing falls due; a batch with this `at` or a later one makes it happen. The present moment if an earlier batch has
   * left work to the next.
   */
  nextDeadline(): number | undefined {
    return this.hasWorkLeft ? this.#at : this.agenda.first()?.at
  }

  /** What the next batch goes on with, whatever its `at`. */
  get hasWorkLeft(): boolean {
    return this.#backlog.isLeft
  }

  /** Throws if `at` goes back (the log is broken), or a `FeatureLevelError`: the node must stop. */
  apply(batch: Batch): Applied {
    assert(Number.isSafeInteger(batch.at) && batch.at >= this.#at, 'the clock of the log never goes back', {
      from: this.#at,
      to: batch.at,
    })
    this.#at = batch.at
    this.#standing.at = batch.at
    this.#journal.open(batch.at)
    this.#backlog.begin()
    const verdicts = batch.commands.map((command) => this.#perform(command))
    this.#backlog.rest()
    const { events, changes } = this.#journal
    this.#digestStep(verdicts, events)
    return { verdicts, events, changes }
  }

  /**
   * Begins a checkpoint of this moment and returns its first record; the others come from `ledger.take`, while the
   * machine goes on. Records of earlier checkpoints that are not among them are still valid.
   */
  beginCheckpoint(): RecordChange {
    this.ledger.freeze()
    const { sessions, claims } = this
    const isFirst = this.level === 0 && this.revision === 0
    const format = isFirst ? RECORD_FORMAT.first : RECORD_FORMAT.levelled
    const fields = [format, this.#at, sessions.nextId, claims.nextId, claims.nextToken, this.digest]
    if (!isFirst) fields.push(this.level, this.revision)
    const { number, awaitedAfter } = this.incarnation
    const workLeft = this.#workLeft()
    if (number !== 0 || awaitedAfter !== 0 || workLeft !== undefined) fields.push(number, awaitedAfter)
    return { key: SUMMARY_KEY, fields: workLeft === undefined ? fields : [...fields, workLeft] }
  }

  #workLeft(): WorkLeft | undefined {
    const [round, candidates] = this.claims.candidates
    const { evictions } = this.#force
    if (!this.claims.hasCandidates && evictions.length === 0) return undefined
    const fieldsOf = ({ kind, name, upTo, session, note }: Eviction) =>
      [kind, name, upTo, session, note] as const
    return [round!, candidates!, evictions.map(fieldsOf)]
  }

  /** The machine as its checkpoints left it. Throws a RangeError at a record that this version does not understand. */
  static restore(records: Iterable<readonly [key: string, fields: Fields]>, workMax?: number): Machine {
    const reader = new RecordReader()
    for (const [key, fields] of records) reader.read(key, fields)
    return finish(Machine.restoring(reader, workMax))
  }

  /** The same, in steps, of records that have been read. */
  static *restoring(reader: RecordReader, workMax?: number): Steps<Machine> {
    const machine = new Machine(workMax)
    yield* machine.#restore(reader)
    return machine
  }

  /**
   * What a cluster begins with that is restored from a backup of this one, taken at `takenAtMs` by a wall clock: nobody
   * has a session, all queues are empty, the clock of the log stands where it stood. It grants nothing until it is told
   * its incarnation, and with it a first token beyond all that was granted meanwhile.
   */
  successor(takenAtMs: number): Machine {
    const successor = new Machine()
    successor.#rise(Math.max(this.level, INCARNATION_SINCE))
    successor.#at = this.#at
    successor.#digest = new Digest(this.digest)
    const { nextId: nextClaim, nextToken } = this.claims
    const counters = [
      this.sessions.nextId,
      nextClaim,
      nextToken,
      this.revision,
      this.incarnation.awaitedAfter,
    ]
    const newest = Math.max(...counters, firstTokenAt(takenAtMs))
    successor.incarnation.awaitedAfter = newest
    successor.#digest.at(newest)
    return successor
  }

  name(name: string): views.NameView | undefined {
    const queue = this.claims.queues.get(name)
    return queue && views.viewName(queue, this.sessions)
  }

  /** Names with `prefix`, after the name `after` (exclusive), in code unit order. */
  names(prefix: string, after: string, limit: number): views.Page<views.NameView> {
    return views.viewNames(this.claims.queues, this.sessions, prefix, after, limit)
  }

  /** Of one line of a name, after the claim `after`, 0 for the beginning; undefined if that stands there no more. */
  line(
    name: string,
    line: views.LineKind,
    after: number,
    limit: number,
  ): views.Page<views.ClaimView> | undefined {
    const { queues } = this.claims
    const last = after === 0 ? undefined : this.claims.get(after)
    if (after !== 0 && last === undefined) return undefined
    return views.viewLinePage(queues.get(name), line, this.sessions, last, limit)
  }

  session(id: SessionId): views.SessionView | undefined {
    const session = this.sessions.get(id)
    return session === undefined || isOver(session, this.#at) ? undefined : views.viewSession(session)
  }

  /** After the session `after`, in the order of ids. */
  listSessions(after: SessionId, limit: number): views.Page<views.SessionView> {
    return views.viewSessions(this.sessions, this.#at, after, limit)
  }

  *#restore(records: RecordReader): Steps<void> {
    const { summary, sessions, slots, claims, remains, members, disks, interventions } = records
    const [format, at, nextSession, nextClaim, nextToken, digest, ...later] = summary as readonly number[]
    const [level = 0, revision = 0, incarnation = 0, awaitedAfter = 0] = later
    const workLeft = summary[10] as WorkLeft | undefined
    if (format !== RECORD_FORMAT.first && format !== RECORD_FORMAT.levelled) {
      throw new RangeError(`records of format ${format}; upgrade this node`)
    }
    this.#rise(level)
    this.#at = at!
    this.#standing.at = at!
    this.incarnation.number = incarnation
    this.incarnation.awaitedAfter = awaitedAfter
    this.#digest = new Digest(digest!)
    this.sessions.nextId = nextSession!
    this.claims.nextId = nextClaim!
    this.claims.nextToken = nextToken!
    yield* forEach(sessions, (session) => this.sessions.restore(session))
    this.#journal.revision = revision
    yield* forEach(slots, (slot) => this.sessions.restoreSlot(slot))
    if (members !== undefined) this.members.restore(members)
    if (disks !== undefined) this.disks.restore(disks)
    if (interventions !== undefined) this.interventions.restore(interventions)
    yield* this.claims.restoreAll(claims, (claim) => addClaim(this.sessions.get(claim.session)!, claim))
    yield* forEach(remains, (record) => this.remains.restore(record))
    if (workLeft === undefined) return
    const [round, candidates, evictions] = workLeft
    this.claims.restoreCandidates([round, candidates])
    this.#force.restore(
      evictions.map(([kind, name, upTo, session, note]) => ({ kind, name, upTo, session, note })),
    )
  }

  #digestStep(verdicts: readonly Verdict[], events: readonly MachineEvent[]): void {
    if (this.level >= BRIEF_DIGESTS_SINCE) this.#digest.textLengthMax = DIGESTED_LENGTH_MAX
    this.#digest.at(this.#at)
    for (const verdict of verdicts) this.#digest.verdict(verdict)
    for (const event of events) this.#digest.event(event)
  }

  #perform(command: Command): Verdict {
    const refusal = levelOf(command) > this.level ? refusals.UNSUPPORTED : checkCommand(command)
    if (refusal !== undefined && !this.#remembersRefusal(command)) return refusal
    const verdict = this.#dispatch(command, refusal)
    this.#backlog.settle()
    return verdict
  }

  /** That of what a request asks for. One of its numbers alone has no slot to be remembered in. */
  #remembersRefusal(command: Command): command is Request {
    return this.level >= REPLIES_REMEMBERED_SINCE && 'slot' in command && checkRequest(command) === undefined
  }

  #dispatch(command: Command, refusal: Refused | undefined): Verdict {
    if (command.op === 'unknown') return refusals.UNSUPPORTED
    if (command.op === 'open') return this.#open(command)
    if (command.op === 'begin') return this.#begin(command)
    if (command.op === 'describe') return this.members.describe(command)
    if (command.op === 'forget') return this.#forget(command)
    if (command.op === 'identify') return this.disks.identify(command)
    if (command.op === 'raise') return this.#raise(command)
    const silenced = this.sessions.checkSpeaker(command.session, command.key, this.#at)
    if (silenced !== undefined) return silenced
    const session = this.sessions.get(command.session)!
    switch (command.op) {
      case 'keepAlive':
        this.sessions.renew(session, this.#at)
        return { kind: 'renewed', ttlMs: session.ttlMs }
      case 'close':
        this.#backlog.end(session, 'closed')
        return CLOSED
      default:
        return this.#requests.perform(session, command, refusal)
    }
  }

  #forget(command: Forget): Verdict {
    this.disks.forget(command.node)
    return this.members.forget(command)
  }

  #open(command: OpenSession): Verdict {
    return this.incarnation.isAwaited ? refusals.NOT_BEGUN : this.sessions.open(command, this.#at)
  }

  #begin(command: Begin): Verdict {
    const first = this.incarnation.begin(command)
    if (typeof first === 'object') return first
    if (first !== undefined) this.#goOnFrom(first)
    this.#digest.at(this.incarnation.number)
    return BEGUN
  }

  #goOnFrom(next: number): void {
    this.sessions.nextId = next
    this.claims.nextId = next
    this.claims.nextToken = next
    this.#journal.revision = next
  }

  /** A level that has been reached stays. */
  #raise({ level }: Raise): Verdict {
    this.#rise(Math.max(this.level, level))
    return RAISED
  }

  #rise(level: number): void {
    if (level > FEATURE_LEVEL) throw new FeatureLevelError(level)
    this.#standing.level = level
    if (level >= CHANGES_SINCE) this.#journal.count()
  }
}
