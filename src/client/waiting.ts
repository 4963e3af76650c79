import type { Acquire, Found } from '../protocol/lockkeeper.js'
import { type LockkeeperError, LockTimeoutError, RefusedError } from './errors.js'
import type { HandleClass, HeldClaim, Holder } from './held.js'

/** How long to wait for a claim, and how to stop waiting. */
export interface WaitOptions {
  /** How long to stand in the queue, in ms; 0: only if it is free now. By default as long as the session lives. */
  readonly waitMs?: number
  /** Only if it is free now: resolves with `null` if it is not, and `waitMs` means nothing. */
  readonly ifAvailable?: boolean
  /** Leaves the queue; the promise then rejects with the signal's reason. Without effect once granted. */
  readonly signal?: AbortSignal
}

/** What becomes of a claim that is neither refused nor given up. */
export type Outcome<H> =
  | { readonly kind: 'held'; readonly held: H }
  | { readonly kind: 'found'; readonly found: Found }
  | { readonly kind: 'unavailable' }

/** The cluster keeps the wait limit itself; after this long without its answer, in ms, we leave the queue unasked. */
const WAIT_GRACE_MS = 500

/**
 * Stands in the queues until the claim is decided, the wait limit has passed, or the signal says to leave: the one way in
 * which anything here is acquired. When it rejects, no claim is left behind.
 *
 * @param onTakenBack called when it is given up without the cluster's word: it may have been granted meanwhile, and is
 * given back in any case
 */
export function acquire<H extends HeldClaim>(
  holder: Holder,
  Handle: HandleClass<H>,
  ask: Acquire,
  { signal, ifAvailable = false }: Omit<WaitOptions, 'waitMs'>,
  onTakenBack: () => void = () => undefined,
): Promise<Outcome<H>> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const stopListening = (): void => signal?.removeEventListener('abort', onAbort)
    const giveUp = (reason: unknown): void => {
      stopListening()
      takeBack()
      onTakenBack()
      reject(reason)
    }
    const onAbort = (): void => giveUp(signal?.reason)
    const failed = (error: LockkeeperError): void => {
      stopListening()
      if (error.code !== 'TIMEOUT') reject(error)
      else if (ifAvailable) resolve({ kind: 'unavailable' })
      else reject(timeout(ask))
    }
    const decided = {
      granted: (held: H): void => {
        stopListening()
        resolve({ kind: 'held', held })
      },
      found: (found: Found): void => {
        stopListening()
        resolve({ kind: 'found', found })
      },
      failed,
    }
    const limit = ask.waitMs
      ? { atMs: holder.clock.nowMs() + ask.waitMs + WAIT_GRACE_MS, onLimit: () => giveUp(timeout(ask)) }
      : undefined
    const takeBack = holder.acquire(Handle, ask, decided, limit)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Of a claim without a fingerprint, which finds no results: what was granted, or null if it was not available. */
export function heldOf<H>(outcome: Outcome<H>): H | null {
  switch (outcome.kind) {
    case 'held':
      return outcome.held
    case 'unavailable':
      return null
    case 'found':
      throw new RefusedError('INTERNAL', 'a claim without a fingerprint was answered with a result')
  }
}

function timeout({ names, waitMs }: Acquire): LockTimeoutError {
  return new LockTimeoutError(names, waitMs ?? 0)
}
