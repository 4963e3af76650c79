import type { Acquire, Answer, Hello, Request, Welcome } from '../protocol/lockkeeper.js'
import {
  ConnectError,
  describe,
  KeeperClosedError,
  LockkeeperError,
  LockLostError,
  type RefusedError,
  SessionLostError,
  UnreachableError,
} from './errors.js'
import { KeepAlive } from './keepalive.js'
import { Lease, type Standing } from './lease.js'
import { HeldLock, type Holder, type ReleaseOutcome } from './lock.js'
import type { ConnectSettings } from './options.js'
import type { Ports, Timer } from './ports.js'
import { Presence } from './presence.js'
import { isForNow, isSessionOver, toRefusedError } from './refusals.js'
import { Requests, type Settle } from './requests.js'
import type { Route } from './route.js'
import { Stream } from './stream.js'

/** Who is told when it is over without having been closed. */
export type LossListener = (error: LockkeeperError) => void

const PROTOCOL_VERSION = 1
const CLOSE_TIMEOUT_MS = 2_000
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
  readonly #held = new Set<HeldLock>()
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

  /**
   * Stands in the queues. `done` gets a handle that is held at that moment. Returns how to take it back: afterwards
   * neither is called, and no claim is left.
   */
  acquire(
    ask: Acquire,
    done: (lock: HeldLock) => void,
    failed: (error: LockkeeperError) => void,
    limit?: { readonly atMs: number; readonly onLimit: () => void },
  ): () => void {
    const settle: Settle = { done: (token) => this.#granted(ask.names, token, done), failed }
    const operation = { $case: 'acquire', value: ask } as const
    const pending = this.#requests.submit(operation, settle, limit?.atMs, limit?.onLimit)
    return () => this.#requests.abandon(pending)
  }

  /** After `close` it waits for the same confirmation: what the cluster may still hold was not released. */
  release(lock: HeldLock): Promise<ReleaseOutcome> {
    if (this.#end !== undefined) return Promise.resolve(this.#closed ? 'released' : 'lost')
    this.#held.delete(lock)
    const outcome = new Promise<ReleaseOutcome>((resolve, reject) => {
      const failed = (error: LockkeeperError): void => {
        // Who releases and does not wait for it must not be ended by an unhandled rejection.
        outcome.catch(() => undefined)
        if (GONE.has(error.code)) resolve('lost')
        else reject(error)
      }
      const operation = { $case: 'release', value: { token: lock.token } } as const
      this.#requests.submit(operation, { done: () => resolve('released'), failed })
    })
    return outcome
  }

  /**
   * Ends the session and all it holds; resolves when the cluster has said so, or after two seconds. If nobody could be
   * told, the session expires by itself after its TTL. Never rejects.
   */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise
    if (this.isOver) return Promise.resolve()
    const closed = new KeeperClosedError()
    this.#endHandles('released', () => closed)
    this.#requests.failAll('acquire', closed)
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

  detached(): void {
    this.#keepAlive?.detached()
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
    if (answers.some(({ slot }) => slot !== 0)) this.#keepAlive?.answered(this.#requests.isWaiting)
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

  #granted(names: readonly string[], token: number, done: (lock: HeldLock) => void): void {
    const lock = new HeldLock(this, names, token)
    this.#held.add(lock)
    done(lock)
  }

  #changed(standing: Standing): void {
    if (standing === 'lost')
      this.#ended(`no renewal was acknowledged in time; failed: ${describe(this.#route.tried())}`)
    else for (const lock of this.#held) lock.changed(standing)
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
    this.#endHandles('lost', (lock) => new LockLostError(lock.names, lock.token, reason))
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

  #endHandles(state: 'lost' | 'released', error: (lock: HeldLock) => LockkeeperError): void {
    const held = [...this.#held]
    this.#held.clear()
    for (const lock of held) lock.end(state, error(lock))
  }
}

/** Answers to a release that mean: it was not ours any more, or will not be. */
const GONE: ReadonlySet<string> = new Set(['NOT_HELD', 'SESSION_LOST', 'CLOSED'])

/** A node that does not answer a hello for this long is passed over: several can be tried before it is too late. */
function attemptMs({ ttlMs, connectTimeoutMs }: ConnectSettings): number {
  return Math.min(2_000, Math.max(200, ttlMs / 5), connectTimeoutMs / 2)
}
