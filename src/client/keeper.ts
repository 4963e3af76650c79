import type { Claim, GetStatusResponse, NameState, SessionState } from '../protocol/lockkeeper.js'
import { Barrier } from './barrier.js'
import type { Core } from './core.js'
import { CountDown } from './count-down.js'
import { Election } from './election.js'
import { KeeperClosedError, type LockkeeperError, LockLostError } from './errors.js'
import { Group } from './group.js'
import { callSafely, type Held } from './held.js'
import {
  forceRelease,
  type HolderOptions,
  type InterventionOptions,
  requestRelease,
  resume,
  type SuspendOptions,
  suspend,
} from './interventions.js'
import { HeldLock, type Lock, type LockOptions, toLockAsk } from './lock.js'
import { type OnceOptions, once } from './once.js'
import type { ConnectSettings } from './options.js'
import type { Ports } from './ports.js'
import { type Line, Reader } from './reads.js'
import { Route } from './route.js'
import { Schedule, type ScheduledRun, type ScheduleOptions } from './schedule.js'
import { Semaphore, type SemaphoreOptions } from './semaphore.js'
import { Session } from './session.js'
import { acquire, heldOf } from './waiting.js'
import type { Sighting, WatchOptions } from './watch.js'
import { Watcher } from './watcher.js'

/** What a keeper's session is at this moment. */
export interface SessionInfo {
  /** 0 while it is being opened. */
  readonly id: number
  readonly state: 'held' | 'unsure' | 'lost'
  readonly ttlMs: number
  /** Until `lost`, unless a renewal is acknowledged; in ms. */
  readonly expiresInMs: number
  /** The node it is attached to, if any. */
  readonly nodeId: number | undefined
  readonly address: string | undefined
}

/**
 * A program's door to the cluster. It keeps one session alive; when that is lost, so are its locks, and the next
 * `lock()` opens a new one, which inherits nothing. Like a database connection it keeps its process running until
 * `close()`; a lost session does not.
 */
export class Keeper implements AsyncDisposable {
  readonly #ports: Ports
  readonly #settings: ConnectSettings
  readonly #route: Route
  readonly #reader: Reader
  readonly #watcher: Watcher
  readonly #core: Core
  readonly #lossListeners = new Set<(error: LockkeeperError) => void>()
  #session: Session
  #closing: Promise<void> | undefined

  /** Users call `connect()`. Begins to open a session at once; `opened()` tells how that went. */
  constructor(ports: Ports, addresses: readonly string[], settings: ConnectSettings) {
    this.#ports = ports
    this.#settings = settings
    this.#route = new Route(addresses)
    const { connectTimeoutMs } = settings
    this.#reader = new Reader(ports, this.#route, connectTimeoutMs, () => this.#session.address)
    this.#watcher = new Watcher(ports, this.#route, connectTimeoutMs, () => this.#session.address)
    this.#core = {
      clock: ports.clock,
      random: ports.random,
      acquire: (Handle, ask, waiting) => acquire(this.#liveSession(), Handle, ask, waiting),
      perform: (operation) => this.#liveSession().perform(operation),
      claims: (name, line) => this.#reader.claims(name, line),
      watch: (name, options) => this.#watcher.watch(name, options),
    }
    this.#session = this.#openSession()
  }

  /** Resolves when the session is open. Rejects with a `ConnectError`, or the cluster's refusal. */
  opened(): Promise<void> {
    return this.#session.opened
  }

  get session(): SessionInfo {
    const { id, ttlMs, nodeId, address } = this.#session
    const state = this.#session.standing()
    const expiresInMs = state === 'lost' ? 0 : Math.max(0, this.#session.deadlineInMs)
    return { id, state, ttlMs, expiresInMs, nodeId, address }
  }

  /**
   * Stands in the queue of the name, or of all the names at once, and resolves when all are granted.
   *
   * Rejects with a `LockTimeoutError` after `waitMs`; with the reason of `signal`; with a `SessionLostError` when the
   * session is lost meanwhile; with a `ConnectError` when a new session was needed and could not be opened in
   * `connectTimeoutMs`; with a `RefusedError` otherwise. In every case no claim is left behind.
   */
  lock(
    names: string | readonly string[],
    options: LockOptions & { readonly ifAvailable: true },
  ): Promise<Lock | null>
  lock(
    names: string | readonly string[],
    options?: LockOptions & { readonly ifAvailable?: false },
  ): Promise<Lock>
  lock(names: string | readonly string[], options?: LockOptions): Promise<Lock | null>
  async lock(names: string | readonly string[], options: LockOptions = {}): Promise<Lock | null> {
    return heldOf(await this.#core.acquire(HeldLock, toLockAsk(names, options), options))
  }

  /**
   * Runs `work` while holding the lock, and releases it. Rejects with what `work` throws; else with a `LockLostError`
   * if the lock was lost before its release was confirmed: part of the work may then have run beside another holder's.
   */
  withLock<T>(names: string | readonly string[], work: (lock: Lock) => T | Promise<T>): Promise<T>
  withLock<T>(
    names: string | readonly string[],
    options: Omit<LockOptions, 'ifAvailable'>,
    work: (lock: Lock) => T | Promise<T>,
  ): Promise<T>
  async withLock<T>(
    names: string | readonly string[],
    optionsOrWork: Omit<LockOptions, 'ifAvailable'> | ((lock: Lock) => T | Promise<T>),
    maybeWork?: (lock: Lock) => T | Promise<T>,
  ): Promise<T> {
    const [options, work] =
      typeof optionsOrWork === 'function' ? [{}, optionsOrWork] : [optionsOrWork, maybeWork!]
    const lock = await this.lock(names, { ...options, ifAvailable: false })
    let result: T
    try {
      result = await work(lock)
    } catch (error) {
      // The first error is the one to hear of. A release that fails as well is made good by the session's end.
      await lock.release().catch(() => undefined)
      throw error
    }
    if ((await lock.release()) === 'released') return result
    throw new LockLostError(
      lock.names,
      lock.token,
      'before its release was confirmed, though the work had ended',
    )
  }

  /** So many at a time; each with seats of its own. */
  semaphore(name: string, options: SemaphoreOptions): Semaphore {
    return new Semaphore(this.#core, name, options)
  }

  /** One leads, and all can see who. */
  election(name: string): Election {
    return new Election(this.#core, name)
  }

  /** Who is there, in order of arrival. */
  group(name: string): Group {
    return new Group(this.#core, name)
  }

  /** Nobody goes on until `size` are there. */
  barrier(name: string, size: number): Barrier {
    return new Barrier(this.#core, name, size)
  }

  /** Waits until `count` have arrived. */
  countDown(name: string, count: number): CountDown {
    return new CountDown(this.#core, name, count)
  }

  /** Runs `work` unless it has been done, and resolves with what came of it: see `once()`. */
  once<T>(key: string, work: (claim: Held) => T | Promise<T>, options: OnceOptions): Promise<T> {
    return once(this.#core, key, work, options)
  }

  /** Runs `work` once per period across all hosts that ask for the same: see `Schedule`. */
  schedule(name: string, options: ScheduleOptions, work: (run: ScheduledRun) => unknown): Schedule {
    return new Schedule(this.#core, name, options, work)
  }

  /**
   * What the name is now, and then each change of it, in order and without a gap, until the loop is left. It goes on at
   * another node when one fails, and says so if changes may have been missed. Throws a `ConnectError` when no node could
   * be used for `connectTimeoutMs`; go on later with `afterRevision`.
   */
  watch(name: string, options: WatchOptions = {}): AsyncGenerator<Sighting, void, undefined> {
    return this.#watcher.watch(name, options)
  }

  /** Who holds the name and who waits for it. Linearizable. Rejects with a `ConnectError` or `RefusedError`. */
  get(name: string): Promise<NameState> {
    return this.#reader.get(name)
  }

  /** The names in use that begin with `prefix`, in order. Each page is linearizable; `pageSize` 0 is the server's. */
  list(
    prefix = '',
    options: { readonly pageSize?: number } = {},
  ): AsyncGenerator<NameState, void, undefined> {
    return this.#reader.list(prefix, options.pageSize ?? 0)
  }

  /** All who hold the name, wait for it, or are members of it, in order. Each page is linearizable. */
  claims(name: string, line: Line): AsyncGenerator<Claim, void, undefined> {
    return this.#reader.claims(name, line)
  }

  /** The sessions that live. Each page is linearizable. */
  sessions(): AsyncGenerator<SessionState, void, undefined> {
    return this.#reader.sessions()
  }

  /**
   * Ends who holds the name, who is told, and lets the next in line follow. Resolves with how many claims it ended. Rejects
   * with a `RefusedError` `NOT_HELD` if there was none.
   */
  forceRelease(name: string, options: HolderOptions = {}): Promise<number> {
    return forceRelease(this.#core, name, options)
  }

  /** Asks who holds the name to release it. Resolves with how many were asked; rejects as `forceRelease()` does. */
  requestRelease(name: string, options: HolderOptions = {}): Promise<number> {
    return requestRelease(this.#core, name, options)
  }

  /** Grants nothing more in the name until it is resumed. Resolves with how many hold it, who are asked to release. */
  suspend(name: string, options: SuspendOptions = {}): Promise<number> {
    return suspend(this.#core, name, options)
  }

  /** Rejects with a `RefusedError` `NOT_HELD` if the name is not suspended. */
  resume(name: string, options: InterventionOptions = {}): Promise<void> {
    return resume(this.#core, name, options)
  }

  /** What a node knows of the cluster: the one at `address`, or any. Answered even without a majority. */
  status(address?: string): Promise<GetStatusResponse> {
    return this.#reader.status(address)
  }

  /** Calls `listener` whenever a session is lost (not when it is closed). Returns how to stop that. */
  onSessionLost(listener: (error: LockkeeperError) => void): () => void {
    this.#lossListeners.add(listener)
    return () => this.#lossListeners.delete(listener)
  }

  /**
   * Releases all locks and ends the session; waits two seconds at most for the cluster to confirm it (if it does not,
   * the session expires after its TTL). Repeated calls wait for the same. Never rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#reader.close()
    this.#watcher.close()
    await this.#session.close()
    this.#ports.connector.close()
  }

  #liveSession(): Session {
    if (this.#closing !== undefined) throw new KeeperClosedError()
    if (this.#session.isOver) this.#session = this.#openSession()
    return this.#session
  }

  #openSession(): Session {
    return new Session(this.#ports, this.#route, this.#settings, (error) => {
      for (const listener of this.#lossListeners) callSafely(() => listener(error))
    })
  }
}
