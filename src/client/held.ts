import type { Acquire, Found, Granted, Release, Request } from '../protocol/lockkeeper.js'
import { assertText } from './asking.js'
import { type LockkeeperError, LockLostError } from './errors.js'
import type { Standing } from './lease.js'
import type { Clock } from './ports.js'

/**
 * `held`: nobody else can hold it. `unsure`: the same, but renewals are not being answered, and it will be lost soon.
 * `lost`: another may hold it. `released`: given back by this program.
 */
export type LockState = Standing | 'released'

/** `lost`: it was no longer this handle's to release, or nobody could say; the next holder is not disturbed. */
export type ReleaseOutcome = 'released' | 'lost'

/** What was granted to this program. At the end of an `await using` block it is released; a loss is not told there. */
export interface Held extends AsyncDisposable {
  /** The name, or the first of several. */
  readonly name: string
  readonly names: readonly string[]
  /** Fencing token: greater than every token granted before it in the cluster. Send it along with every write. */
  readonly token: number
  /** Asks the clock at this very moment: right even if the event loop was blocked. Lost once is lost for ever. */
  readonly state: LockState
  /** How long it can still be held without another acknowledged renewal, in ms; 0 when it is not held. */
  readonly expiresInMs: number
  /**
   * Aborted, with a `LockLostError`, before anyone else can hold it; when it is taken by force, as soon as that is known;
   * or when the keeper is closed under it. Not aborted by `release()`. A blocked event loop delays it: before a write that
   * matters, `assertHeld()`.
   */
  readonly signal: AbortSignal
  /** @throws LockLostError unless the state is `held` or `unsure` */
  assertHeld(): void
  /** Calls `listener` with each new state. Returns how to stop that. */
  onStateChange(listener: (state: LockState) => void): () => void
  /** Calls `listener` when somebody asks to release it, with what they say. Returns how to stop that. */
  onReleaseRequested(listener: (note: string) => void): () => void
  /**
   * Gives it back. Repeated calls have the same outcome. Rejects only if the cluster refuses (`RefusedError`); a refusal of
   * the options leaves it held.
   */
  release(options?: ReleaseOptions): Promise<ReleaseOutcome>
}

export interface ReleaseOptions {
  /** Nothing is granted in its names for so long from now, in ms. */
  readonly restMs?: number
}

/** What becomes of the names. */
export type Succession = Omit<Release, 'token'>

export type Operation = NonNullable<Request['operation']>

/** How a claim is decided that is not refused. */
export interface Decided<H> {
  readonly granted: (held: H) => void
  /** The work has been done before: only for a claim with a fingerprint. */
  readonly found: (found: Found) => void
  readonly failed: (error: LockkeeperError) => void
}

/** The session that a handle lives by. */
export interface Holder {
  readonly clock: Clock
  standing(): Standing
  readonly deadlineInMs: number
  /**
   * Stands in the queues; a handle is held at the moment at which it is handed out. Returns how to take it back:
   * afterwards nothing is called, and no claim is left.
   *
   * @param limit when to give up by our own clock; `onLimit` is expected to take it back
   */
  acquire<H extends HeldClaim>(
    Handle: HandleClass<H>,
    ask: Acquire,
    decided: Decided<H>,
    limit?: { readonly atMs: number; readonly onLimit: () => void },
  ): () => void
  /** Takes the handle's token to the cluster. Without a succession nothing stays, and the first in line follows. */
  release(held: HeldClaim, succession?: Succession): Promise<ReleaseOutcome>
  /** Resolves with how many claims it concerned. Rejects with a `RefusedError`, or when the session is lost. */
  perform(operation: Operation): Promise<number>
}

/** What is made of a grant. */
export type HandleClass<H extends HeldClaim> = new (holder: Holder, ask: Acquire, granted: Granted) => H

/** The handle of a claim; what only some claims can do is added by those who extend it. */
export class HeldClaim implements Held {
  readonly token: number
  protected readonly holder: Holder
  /** As it was asked for. */
  protected readonly ask: Acquire
  /** Set when this handle is over, whatever happens to its session afterwards. */
  #end: { readonly state: 'lost' | 'released'; readonly error: LockkeeperError | undefined } | undefined
  #releasing: Promise<ReleaseOutcome> | undefined
  #aborter: AbortController | undefined
  #stateListeners: Set<(state: LockState) => void> | undefined
  #requestListeners: Set<(note: string) => void> | undefined

  constructor(holder: Holder, ask: Acquire, { token }: Granted) {
    this.holder = holder
    this.ask = ask
    this.token = token
  }

  get names(): readonly string[] {
    return this.ask.names
  }

  get name(): string {
    return this.names[0]!
  }

  get state(): LockState {
    if (this.#end !== undefined) return this.#end.state
    // The session may find out only now that it is lost; it then ends this handle before it returns.
    const standing = this.holder.standing()
    return this.#releasing !== undefined && standing !== 'lost' ? 'released' : standing
  }

  get expiresInMs(): number {
    return this.isHeld ? Math.max(0, this.holder.deadlineInMs) : 0
  }

  get signal(): AbortSignal {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController()
      if (!this.isHeld && this.#end?.error !== undefined) this.#aborter.abort(this.#end.error)
    }
    return this.#aborter.signal
  }

  assertHeld(): void {
    if (this.isHeld) return
    throw this.#end?.error ?? new LockLostError(this.names, this.token, 'this program released it')
  }

  onStateChange(listener: (state: LockState) => void): () => void {
    this.#stateListeners ??= new Set()
    this.#stateListeners.add(listener)
    return () => this.#stateListeners?.delete(listener)
  }

  onReleaseRequested(listener: (note: string) => void): () => void {
    this.#requestListeners ??= new Set()
    this.#requestListeners.add(listener)
    return () => this.#requestListeners?.delete(listener)
  }

  release({ restMs = 0 }: ReleaseOptions = {}): Promise<ReleaseOutcome> {
    return this.giveUp(restMs === 0 ? undefined : { heir: 0, restMs, result: undefined })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  /** Other data for others to read. Rejects with a `LockLostError`, or a `RefusedError`. */
  async update(data: string): Promise<void> {
    this.assertHeld()
    assertText('data', data)
    await this.holder.perform({ $case: 'update', value: { token: this.token, data } })
  }

  /** Releases it with what shall become of the names. That may be refused: then it is held as before. */
  giveUp(succession?: Succession): Promise<ReleaseOutcome> {
    if (this.#releasing !== undefined) return this.#releasing
    if (this.state === 'lost') return Promise.resolve('lost')
    const outcome = this.holder.release(this, succession)
    this.#releasing = outcome
    if (succession === undefined) this.end('released', undefined)
    else
      outcome.then(
        () => this.end('released', undefined),
        () => {
          this.#releasing = undefined
        },
      )
    return outcome
  }

  /** For the session: another claim has taken its place. */
  replaced(): void {
    this.#releasing ??= Promise.resolve('released')
    this.end('released', undefined)
  }

  /** For the session: its standing is another. */
  changed(state: LockState): void {
    for (const listener of this.#stateListeners ?? []) callSafely(() => listener(state))
  }

  /** For the session: somebody asks to release it. */
  releaseRequested(note: string): void {
    for (const listener of this.#requestListeners ?? []) callSafely(() => listener(note))
  }

  /** For the session: this handle protects nothing from now on. With an error, the signal is aborted. */
  end(state: 'lost' | 'released', error: LockkeeperError | undefined): void {
    if (this.#end !== undefined) return
    this.#end = { state, error }
    if (error !== undefined) this.#aborter?.abort(error)
    this.changed(state)
  }

  protected get isHeld(): boolean {
    const { state } = this
    return state === 'held' || state === 'unsure'
  }
}

/** A listener that throws must not stop the others; its error surfaces as an uncaught exception, as with events. */
export function callSafely(action: () => void): void {
  try {
    action()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
