import { type Acquire, type GetStatusResponse, Mode, type NameState } from '../protocol/lockkeeper.js'
import {
  KeeperClosedError,
  type LockkeeperError,
  LockLostError,
  LockTimeoutError,
  RefusedError,
} from './errors.js'
import { callSafely, type Lock } from './lock.js'
import { type ConnectSettings, type LockOptions, toWholeMs } from './options.js'
import { assertFits } from './outbox.js'
import type { Ports } from './ports.js'
import { Reader } from './reads.js'
import { Route } from './route.js'
import { Session } from './session.js'

/** The cluster keeps the wait limit itself; after this long without its answer, in ms, we leave the queue unasked. */
const WAIT_GRACE_MS = 500

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
  readonly #lossListeners = new Set<(error: LockkeeperError) => void>()
  #session: Session
  #closing: Promise<void> | undefined

  /** Users call `connect()`. Begins to open a session at once; `opened()` tells how that went. */
  constructor(ports: Ports, addresses: readonly string[], settings: ConnectSettings) {
    this.#ports = ports
    this.#settings = settings
    this.#route = new Route(addresses)
    this.#reader = new Reader(ports, this.#route, settings.connectTimeoutMs, () => this.#session.address)
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
  lock(names: string | readonly string[], options: LockOptions = {}): Promise<Lock | null> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted()
      const ask = toAcquire(names, options)
      const failed = (error: LockkeeperError): void => {
        if (error.code !== 'TIMEOUT') reject(error)
        else if (options.ifAvailable) resolve(null)
        else reject(new LockTimeoutError(ask.names, ask.waitMs ?? 0))
      }
      this.#acquire(ask, options.signal, resolve, failed, reject)
    })
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
    await this.#session.close()
    this.#ports.connector.close()
  }

  #acquire(
    ask: Acquire,
    signal: AbortSignal | undefined,
    done: (lock: Lock) => void,
    failed: (error: LockkeeperError) => void,
    aborted: (reason: unknown) => void,
  ): void {
    const onLimit = (): void => {
      takeBack()
      stopListening()
      failed(new RefusedError('TIMEOUT', ''))
    }
    const onAbort = (): void => {
      takeBack()
      aborted(signal?.reason)
    }
    const stopListening = (): void => signal?.removeEventListener('abort', onAbort)
    const takeBack = this.#liveSession().acquire(
      ask,
      (lock) => {
        stopListening()
        done(lock)
      },
      (error) => {
        stopListening()
        failed(error)
      },
      ask.waitMs ? { atMs: this.#ports.clock.nowMs() + ask.waitMs + WAIT_GRACE_MS, onLimit } : undefined,
    )
    signal?.addEventListener('abort', onAbort, { once: true })
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

/** @throws RefusedError `INVALID` or `LIMIT` for what could not be sent */
function toAcquire(names: string | readonly string[], options: LockOptions): Acquire {
  const all = typeof names === 'string' ? [names] : [...names]
  const { waitMs, ifAvailable = false, label = '' } = options
  if (!all.every((name) => typeof name === 'string'))
    throw new RefusedError('INVALID', 'a name must be a string')
  const limitMs = ifAvailable ? 0 : waitMs
  const ask = {
    names: all,
    waitMs: limitMs === undefined ? undefined : toWholeMs('waitMs', limitMs),
    label,
    mode: Mode.EXCLUSIVE,
    permits: 0,
    capacity: 0,
    terms: undefined,
  }
  assertFits({ $case: 'acquire', value: ask })
  return ask
}
