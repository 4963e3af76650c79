import { type LockkeeperError, LockLostError } from './errors.js'
import type { Standing } from './lease.js'

/**
 * `held`: nobody else can hold it. `unsure`: the same, but renewals are not being answered, and it will be lost soon.
 * `lost`: another may hold it. `released`: given back by this program.
 */
export type LockState = Standing | 'released'

/** `lost`: it was no longer this handle's to release, or nobody could say; the next holder is not disturbed. */
export type ReleaseOutcome = 'released' | 'lost'

/** A lock that was granted to this program. At the end of an `await using` block it is released; a loss is not told there. */
export interface Lock extends AsyncDisposable {
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
   * Aborted, with a `LockLostError`, before anyone else can hold the lock; or when the keeper is closed under it. Not
   * aborted by `release()`. A blocked event loop delays it: before a write that matters, `assertHeld()`.
   */
  readonly signal: AbortSignal
  /** @throws LockLostError unless the state is `held` or `unsure` */
  assertHeld(): void
  /** Calls `listener` with each new state. Returns how to stop that. */
  onStateChange(listener: (state: LockState) => void): () => void
  /** Gives it back. Repeated calls have the same outcome. Rejects only if the cluster refuses to understand (`RefusedError`). */
  release(): Promise<ReleaseOutcome>
}

/** The session that a handle lives by. */
export interface Holder {
  standing(): Standing
  readonly deadlineInMs: number
  /** Takes the handle's token to the cluster. */
  release(lock: HeldLock): Promise<ReleaseOutcome>
}

export class HeldLock implements Lock {
  readonly names: readonly string[]
  readonly token: number
  readonly #holder: Holder
  /** Set when this handle is over, whatever happens to its session afterwards. */
  #end: { readonly state: 'lost' | 'released'; readonly error: LockkeeperError | undefined } | undefined
  #releasing: Promise<ReleaseOutcome> | undefined
  #aborter: AbortController | undefined
  #listeners: Set<(state: LockState) => void> | undefined

  constructor(holder: Holder, names: readonly string[], token: number) {
    this.#holder = holder
    this.names = names
    this.token = token
  }

  get name(): string {
    return this.names[0]!
  }

  get state(): LockState {
    // The session may find out only now that it is lost; it then ends this handle before it returns.
    return this.#end?.state ?? this.#holder.standing()
  }

  get expiresInMs(): number {
    return this.state === 'held' || this.state === 'unsure' ? Math.max(0, this.#holder.deadlineInMs) : 0
  }

  get signal(): AbortSignal {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController()
      if (this.#isEnded() && this.#end?.error !== undefined) this.#aborter.abort(this.#end.error)
    }
    return this.#aborter.signal
  }

  assertHeld(): void {
    if (!this.#isEnded()) return
    throw this.#end?.error ?? new LockLostError(this.names, this.token, 'this program released it')
  }

  onStateChange(listener: (state: LockState) => void): () => void {
    this.#listeners ??= new Set()
    this.#listeners.add(listener)
    return () => this.#listeners?.delete(listener)
  }

  release(): Promise<ReleaseOutcome> {
    if (this.#releasing !== undefined) return this.#releasing
    if (this.state === 'lost') return Promise.resolve('lost')
    this.#releasing = this.#holder.release(this)
    this.end('released', undefined)
    return this.#releasing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  /** For the session: its standing is another. */
  changed(state: LockState): void {
    for (const listener of this.#listeners ?? []) callSafely(() => listener(state))
  }

  /** For the session: this handle protects nothing from now on. With an error, the signal is aborted. */
  end(state: 'lost' | 'released', error: LockkeeperError | undefined): void {
    if (this.#end !== undefined) return
    this.#end = { state, error }
    if (error !== undefined) this.#aborter?.abort(error)
    this.changed(state)
  }

  #isEnded(): boolean {
    const { state } = this
    return state === 'lost' || state === 'released'
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
