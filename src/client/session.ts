import type { Acquire, Answer, Hello, Notice, Request, Welcome } from '../protocol/lockkeeper.js'
import {
  ConnectError,
  describe,
  KeeperClosedError,
  LockkeeperError,
  LockLostError,
  RefusedError,
  SessionLostError,
  UnreachableError,
} from './errors.js'
import { Failures } from './failures.js'
import { Handles } from './handles.js'
import type {
  Decided,
  HandleClass,
  HeldClaim,
  Holder,
  Operation,
  ReleaseOutcome,
  Succession,
} from './held.js'
import { KeepAlive } from './keepalive.js'
import { Lease, type Standing } from './lease.js'
import type { ConnectSettings } from './options.js'
import { assertFits } from './outbox.js'
import type { Clock, Ports, Problem, Timer } from './ports.js'
import { Presence } from './presence.js'
import { isForNow, isSessionOver, toRefusedError } from './refusals.js'
import { type Answered, Requests } from './requests.js'
import type { Route } from './route.js'
import { Stream } from './stream.js'

/** Who is told when it is over without having been closed. */
export type LossListener = (error: LockkeeperError) => void

const PROTOCOL_VERSION = 1
const CLOSE_TIMEOUT_MS = 2_000
const UNANSWERED_MAX = 10
const KEY_MAX = Number.MAX_SAFE_INTEGER

/**
 * One session with the cluster, from its opening to its end: what holds locks. It is kept alive while it lives, on
 * whatever node can be reached; once lost or closed, it is over for ever. Requests may be made before it is open.
 */
export class Session implements Holder {
  readonly #ports: Ports
  readonly #settings: ConnectSettings
  readonly #route: Route
  readonly #stream: Stream
  readonly #requests: Requests
  readonly #onLost: LossListener
  readonly #handles = new Handles()
  readonly #opening: Timer
  readonly opened: Promise<void>
  #settleOpened: { resolve: () => void; reject: (error: LockkeeperError) => void } | undefined
  #id = 0
  #key = 0
  #clusterId = ''
  /** When the first hello with this key was sent: the earliest moment at which the session can have begun. */
  #openSentMs: number | undefined
  #lease: Lease | undefined
  #keepAlive: KeepAlive | undefined
  /** Streams that nodes have ended with BUSY since a request was last answered. */
  readonly #unanswered = new Failures()
  /** If a stand-in is wanted for when the event loop is blocked. */
  #presence: Presence | undefined
  /** Numbers the requests of slot 0, which is the session's own: renewals and its closing. */
  #ownSeq = 0
  #end: LockkeeperError | undefined
  /** The cluster has confirmed that it was closed. */
  #closed = false
  #closing: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(ports: Ports, route: Route, settings: ConnectSettings, onLost: LossListener) {
    this.#ports = ports
    this.#route = route
    this.#settings = settings
    this.#onLost = onLost
    this.#stream = new Stream(ports, route, this, attemptMs(settings))
    this.#requests = new Requests(ports.clock, ports.random, {
      send: (request) => this.#sendRequest(request),
      seek: () => this.#stream.seek(),
    })
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpened = { resolve, reject }
    })
    this.opened.catch(() => undefined)
    this.#opening = ports.clock.after(settings.connectTimeoutMs, () => this.#openedTooLate())
    this.#stream.seek()
  }

  get clock(): Clock {
    return this.#ports.clock
  }

  /** Given by the cluster; 0 before it is open. */
  get id(): number {
    return this.#id
  }

  get ttlMs(): number {
    return this.#lease?.ttlMs ?? this.#settings.ttlMs
  }

  get deadlineInMs(): number {
    return this.#lease === undefined ? 0 : this.#lease.deadlineMs - this.#ports.clock.nowMs()
  }

  get address(): string | undefined {
    return this.#stream.address
  }

  get nodeId(): number | undefined {
    return this.#stream.nodeId
  }

  get isOver(): boolean {
    if (this.#end === undefined) this.#keepAlive?.standing()
    return this.#end !== undefined
  }

  /** By the clock, at this moment. Before the session is open there is nothing to hold: `unsure`. */
  standing(): Standing {
    if (this.#end !== undefined) return 'lost'
    return this.#keepAlive?.standing() ?? 'unsure'
  }

  acquire<H extends HeldClaim>(
    Handle: HandleClass<H>,
    ask: Acquire,
    decided: Decided<H>,
    limit?: { readonly atMs: number; readonly onLimit: () => void },
  ): () => void {
    const settle = {
      done: (result: Answered) => this.#decide(Handle, ask, result, decided),
      failed: decided.failed,
    }
    const operation = { $case: 'acquire', value: ask } as const
    const pending = this.#requests.submit(operation, settle, limit?.atMs, limit?.onLimit)
    return () => this.#requests.abandon(pending)
  }

  /** After `close` it waits for the same confirmation: what the cluster may still hold was not released. */
  release(held: HeldClaim, succession: Succession = PLAIN): Promise<ReleaseOutcome> {
    if (this.#end !== undefined) return Promise.resolve(this.#closed ? 'released' : 'lost')
    if (succession === PLAIN) this.#handles.delete(held)
    const outcome = new Promise<ReleaseOutcome>((resolve, reject) => {
      const over = (outcome: ReleaseOutcome): void => {
        this.#handles.delete(held)
        resolve(outcome)
      }
      const failed = (error: LockkeeperError): void => {
        if (GONE.has(error.code)) over('lost')
        else reject(error)
      }
      const { heir, restMs, result } = succession
      const operation = { $case: 'release', value: { token: held.token, heir, restMs, result } } as const
      assertFits(operation)
      this.#requests.submit(operation, { done: () => over('released'), failed })
    })
    // Who releases and does not wait for it must not be ended by an unhandled rejection.
    outcome.catch(() => undefined)
    return outcome
  }

  perform(operation: Operation): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#end
      assertFits(operation)
      const done = (result: Answered): void => resolve(result.$case === 'done' ? result.value.count : 0)
      this.#requests.submit(operation, { done, failed: reject })
    })
  }

  /**
   * Ends the session and all it holds; resolves when the cluster has said so, or after two seconds. If nobody could be
   * told, the session expires by itself after its TTL. Never rejects.
   */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise
    if (this.isOver) return Promise.resolve()
    const closed = new KeeperClosedError()
    this.#handles.endAll('released', () => closed)
    this.#requests.failAllButReleases(closed)
    if (this.#id !== 0) return this.#sendClose(closed)
    this.#finish(closed, closed)
    return Promise.resolve()
  }

  #sendClose(closed: LockkeeperError): Promise<void> {
    this.#stopRenewing()
    let resolve = (): void => undefined
    const promise = new Promise<void>((settle) => {
      resolve = settle
    })
    const timer = this.#ports.clock.after(CLOSE_TIMEOUT_MS, () => this.#finish(closed, closed))
    this.#closing = {
      promise,
      resolve: () => {
        timer.cancel()
        resolve()
      },
    }
    this.#sendOwn({ $case: 'close', value: {} })
    return promise
  }

  // ---- what the stream tells

  hello(): Hello {
    const nowMs = this.#ports.clock.nowMs()
    if (this.#id === 0 && nowMs - (this.#openSentMs ?? Number.NEGATIVE_INFINITY) > this.#settings.ttlMs / 2) {
      // What an older hello may have opened would be as good as expired. It holds nothing: let it go.
      this.#key = 1 + Math.floor(this.#ports.random() * (KEY_MAX - 1))
      this.#openSentMs = nowMs
    }
    const { ttlMs, label } = this.#settings
    const session = { id: this.#id, key: this.#key }
    return { protocolVersion: PROTOCOL_VERSION, clusterId: this.#clusterId, session, ttlMs, label }
  }

  welcomed(welcome: Welcome, helloSentMs: number): void {
    if (this.#id === 0) this.#open(welcome)
    else this.#keepAlive?.attached(helloSentMs)
    if (this.#id === 0 || this.#end !== undefined) return
    this.#requests.resend()
    if (this.#closing !== undefined) this.#sendOwn({ $case: 'close', value: {} })
  }

  detached(address: string, problem: Problem): void {
    this.#keepAlive?.detached()
    if (problem.code === 'BUSY') this.#endedUnanswered(address, problem)
  }

  answered(answers: readonly Answer[]): void {
    // Nothing is handed out that the clock has already taken away.
    if (this.isOver) return
    for (const answer of answers) {
      if (answer.slot === 0) this.#answeredOwn(answer)
      else {
        const over = this.#requests.answered(answer)
        if (over !== undefined) this.#ended(over.message)
      }
      if (this.#end !== undefined) return
    }
    if (answers.every(({ slot }) => slot === 0)) return
    this.#unanswered.clear()
    this.#keepAlive?.answered(this.#requests.isWaiting)
  }

  noticed(notices: readonly Notice[]): void {
    this.#handles.noticed(notices)
  }

  refused(refusal: RefusedError): void {
    if (this.#id !== 0) {
      if (isSessionOver(refusal)) this.#ended(refusal.message)
    } else if (isSessionOver(refusal)) {
      this.#openSentMs = undefined
    } else if (!isForNow(refusal) && refusal.code !== 'INTERNAL') {
      this.#fail(refusal)
    }
  }

  sessionEnded(reason: string): void {
    this.#ended(
      reason === 'CLOSED' ? 'the session was closed' : 'the cluster heard nothing of it for its TTL',
    )
  }

  /** To ask for the same again and again, at one node after the other, would never end, and be in everybody's way. */
  #endedUnanswered(address: string, problem: Problem): void {
    this.#unanswered.add(address, problem, this.#ports.clock.nowMs())
    if (this.#unanswered.count < UNANSWERED_MAX) return
    const { count, tried } = this.#unanswered
    this.#unanswered.clear()
    const ended = `${count} streams in a row were ended before any request was answered: ${describe(tried)}`
    this.#requests.failAllButReleases(new RefusedError('BUSY', `${ended}. Ask for less at once, or later`))
  }

  // ---- the session's own affairs

  #open({ session, ttlMs, clusterId }: Welcome): void {
    const nowMs = this.#ports.clock.nowMs()
    const openSentMs = this.#openSentMs ?? nowMs
    const lease = new Lease(openSentMs, ttlMs, this.#settings.lostMarginMs)
    if (
      session === undefined ||
      session.id === 0 ||
      session.key !== this.#key ||
      lease.standing(nowMs) === 'lost'
    ) {
      this.#openSentMs = undefined
      this.#stream.drop(new UnreachableError('the welcome came too late'))
      return
    }
    this.#id = session.id
    this.#clusterId = clusterId
    this.#lease = lease
    this.#keepAlive = new KeepAlive(this.#ports.clock, lease, {
      sendRenewal: () => this.#sendOwn({ $case: 'renew', value: {} }),
      unanswered: () => this.#stream.seek(true),
      changed: (standing) => this.#changed(standing),
    })
    this.#showPresence(openSentMs, lease)
    this.#keepAlive.attached(openSentMs)
    if (this.#presence === undefined) this.#ready()
  }

  #ready(): void {
    this.#opening.cancel()
    this.#settleOpened?.resolve()
  }

  #openedTooLate(): void {
    const { connectTimeoutMs } = this.#settings
    if (this.#id === 0) return this.#fail(new ConnectError(connectTimeoutMs, this.#route.tried()))
    const late = `a session is open, but its stand-in has not renewed it within ${connectTimeoutMs} ms`
    this.#settleOpened?.reject(
      new LockkeeperError('NOT_CONNECTED', `${late}; this machine may be too busy. Try again`),
    )
  }

  #showPresence(sentMs: number, { ttlMs, memory }: Lease): void {
    const { maxStallMs, lostMarginMs } = this.#settings
    if (maxStallMs === undefined) return
    const session = { id: this.#id, key: this.#key }
    const duty = { session, addresses: this.#route.seeds, sentMs, ttlMs, lostMarginMs, memory, maxStallMs }
    this.#presence = new Presence(this.#ports, this.#route, duty, {
      standInReady: () => this.#ready(),
      // Without it, the session is not what its user asked for.
      standInEnded: (reason) => this.#ended(reason),
    })
  }

  #stopRenewing(): void {
    this.#keepAlive?.stop()
    this.#presence?.stop()
  }

  #sendRequest(request: Request): boolean {
    this.#keepAlive?.asked()
    return this.#stream.send(request)
  }

  #sendOwn(operation: NonNullable<Request['operation']>): void {
    this.#stream.send({ slot: 0, seq: ++this.#ownSeq, operation })
  }

  #answeredOwn({ seq, result }: Answer): void {
    if (result === undefined || seq !== this.#ownSeq) return
    if (result.$case === 'renewed') {
      this.#keepAlive?.renewed()
      this.#stream.stay()
    }
    if (result.$case === 'closed') this.#ended('the session was closed')
    if (result.$case !== 'refused') return
    const refusal = toRefusedError(result.value)
    if (isSessionOver(refusal)) this.#ended(refusal.message)
    else this.#postponedOwn()
  }

  #postponedOwn(): void {
    this.#stream.seek()
    this.#keepAlive?.postponed()
  }

  #decide<H extends HeldClaim>(
    Handle: HandleClass<H>,
    ask: Acquire,
    result: Answered,
    decided: Decided<H>,
  ): void {
    if (result.$case === 'found') decided.found(result.value)
    if (result.$case === 'granted') this.#granted(new Handle(this, ask, result.value), ask, decided)
  }

  #granted<H extends HeldClaim>(held: H, { terms }: Acquire, decided: Decided<H>): void {
    const loss = this.#handles.add(held, terms?.upgrades ?? 0)
    if (loss === undefined) decided.granted(held)
    else decided.failed(loss)
  }

  #changed(standing: Standing): void {
    if (standing === 'lost')
      this.#ended(`no renewal was acknowledged in time; failed: ${describe(this.#route.tried())}`)
    else this.#handles.changed(standing)
  }

  /** The cluster said so, or the deadline passed. What was being closed is closed by this as well. */
  #ended(reason: string): void {
    if (this.#end !== undefined) return
    if (this.#closing !== undefined) this.#finish(new KeeperClosedError(), undefined)
    else this.#lose(reason)
  }

  /** Handles first: nothing that runs meanwhile may find one that looks held. */
  #lose(reason: string): void {
    const error = new SessionLostError(reason)
    this.#end = error
    this.#handles.endAll('lost', (held) => new LockLostError(held.names, held.token, reason))
    this.#finish(error, error)
    this.#onLost(error)
  }

  /** It never opened. */
  #fail(error: LockkeeperError): void {
    this.#finish(error, error)
  }

  #finish(end: LockkeeperError, failing: LockkeeperError | undefined): void {
    this.#end = end
    this.#closed = failing === undefined
    this.#opening.cancel()
    this.#stream.stop()
    this.#stopRenewing()
    this.#requests.finish(failing)
    this.#settleOpened?.reject(end)
    this.#closing?.resolve()
  }
}

/** The first in line follows, and nothing stays. */
const PLAIN: Succession = { heir: 0, restMs: 0, result: undefined }

/** Answers to a release that mean: it was not ours any more, or will not be. */
const GONE: ReadonlySet<string> = new Set(['NOT_HELD', 'SESSION_LOST', 'CLOSED'])

/** A node that does not answer a hello for this long is passed over: several can be tried before it is too late. */
function attemptMs({ ttlMs, connectTimeoutMs }: ConnectSettings): number {
  return Math.min(2_000, Math.max(200, ttlMs / 5), connectTimeoutMs / 2)
}
