import { Mode } from '../protocol/lockkeeper.js'
import { type ClaimOptions, toAcquire } from './asking.js'
import { RefusedError } from './errors.js'
import { type Held, HeldClaim } from './held.js'
import { acquire, heldOf, type WaitOptions } from './waiting.js'

export interface LockOptions extends ClaimOptions {
  /** `shared`: beside others that are shared, as readers are. `exclusive`, alone, by default. */
  readonly mode?: 'exclusive' | 'shared'
  /** If this owner holds the names already, that claim is held once more, with the same token. Needs an `owner`. */
  readonly reentrant?: boolean
  /** Takes it from whoever holds it, who is told (`LockLostError`), before all who wait. */
  readonly steal?: boolean
  /** If this holder is lost, the names rest for so long, in ms: time for what it had under way to end. */
  readonly lockDelayMs?: number
  /** However soon it is released, the names rest until it would have been held for so long, in ms. */
  readonly minHoldMs?: number
}

/** A lock that was granted to this program. */
export interface Lock extends Held {
  /** Lets others share it from now on; the token stays. Rejects with a `RefusedError` unless it is held exclusively. */
  downgrade(): Promise<void>
  /**
   * Waits until it is the only one to share the names, before all others that wait, and resolves with an exclusive lock in
   * its place: this handle then becomes `released`. A second one that would upgrade is refused with a `DeadlockError`.
   *
   * If it is refused, also with a `LockTimeoutError`, this lock is held as before. If it is given up by the signal, or
   * without the cluster's word, this lock is given back as well: nobody could say whether it was replaced already.
   */
  upgrade(options?: UpgradeOptions): Promise<Lock>
}

export interface UpgradeOptions extends Pick<WaitOptions, 'waitMs' | 'signal'> {
  readonly label?: string
}

export class HeldLock extends HeldClaim implements Lock {
  async downgrade(): Promise<void> {
    this.assertHeld()
    await this.holder.perform({ $case: 'downgrade', value: { token: this.token } })
  }

  async upgrade(options: UpgradeOptions = {}): Promise<Lock> {
    this.assertHeld()
    const { data = '', owner = '', priority = 0, lockDelayMs, minHoldMs } = this.ask.terms ?? {}
    const shape = { upgrades: this.token, lockDelayMs, minHoldMs }
    const ask = toAcquire(this.names, { ...options, data, owner, priority }, shape)
    const onTakenBack = (): void => void this.release()
    return heldOf(await acquire(this.holder, HeldLock, ask, options, onTakenBack))!
  }
}

/** @throws RefusedError `INVALID` for what makes no sense */
export function toLockAsk(names: string | readonly string[], options: LockOptions) {
  const { mode = 'exclusive', reentrant, steal, lockDelayMs, minHoldMs } = options
  if (mode !== 'exclusive' && mode !== 'shared')
    throw new RefusedError('INVALID', `the mode is '${mode}'; give 'exclusive' or 'shared'`)
  return toAcquire(names, options, {
    mode: mode === 'shared' ? Mode.SHARED : Mode.EXCLUSIVE,
    reentrant,
    steal,
    lockDelayMs,
    minHoldMs,
  })
}
