import type { Acquire } from '../protocol/lockkeeper.js'
import { toAcquire } from './asking.js'
import type { Core } from './core.js'
import type { Duration } from './durations.js'
import { LockLostError, RefusedError } from './errors.js'
import { type Held, HeldClaim } from './held.js'
import { toKeptMs } from './options.js'
import type { Outcome, WaitOptions } from './waiting.js'

export interface OnceOptions extends Pick<WaitOptions, 'waitMs' | 'signal'> {
  /** How long the result is kept for those who ask later; up to 31 days. */
  readonly ttl: Duration
  /**
   * What the work is made of, in at most 256 bytes: a digest of the request, say. While the key is in use for work with
   * another fingerprint, it is refused with `CONFLICT`.
   */
  readonly fingerprint?: string
  /** For people who look at the queue: what this is for. */
  readonly label?: string
}

/**
 * Runs `work` unless it has been done: the first caller runs it, those who come meanwhile wait for what comes of it, those
 * who come later are given that until `ttl` has passed. What comes of it must be JSON, at most 16 KiB.
 *
 * If `work` fails, its caller is told how, and the next who waits runs it. If its runner is lost, the next takes over with a
 * greater token: send it along with every write. So `work` may run again, but not after it has been done.
 *
 * Rejects with what `work` throws; with a `LockLostError` if the runner was lost before the result was kept; with a
 * `RefusedError` `LIMIT` if the result is too large (the work was done, and nothing is kept of it: the next caller runs it
 * again); with a `LockTimeoutError` after `waitMs`; else as `keeper.lock()` does.
 */
export async function once<T>(
  core: Core,
  key: string,
  work: (claim: Held) => T | Promise<T>,
  options: OnceOptions,
): Promise<T> {
  const { fingerprint = '' } = options
  // The cluster would say so when the work has been done.
  const keepMs = toKeptMs('ttl', options.ttl)
  const ask = toAcquire(key, options, { fingerprint })
  const outcome = await askFor(core, ask, options)
  if (outcome.kind === 'found') return fromData<T>(outcome.found.data)
  if (outcome.kind === 'unavailable') throw new RefusedError('INTERNAL', 'answered without having waited')
  const { held } = outcome
  try {
    const result = await work(held)
    if ((await held.giveUp({ heir: 0, restMs: 0, result: { data: toData(result), keepMs } })) === 'released')
      return result
  } catch (error) {
    // The first error is the one to hear of. A release that fails as well is made good by the session's end.
    await held.release().catch(() => undefined)
    throw error
  }
  throw new LockLostError(held.names, held.token, 'before its result was kept, though the work had ended')
}

async function askFor(core: Core, ask: Acquire, options: OnceOptions): Promise<Outcome<HeldClaim>> {
  for (;;) {
    try {
      return await core.acquire(HeldClaim, ask, options)
    } catch (error) {
      // A result was found, the answer was lost on the way, and before it was sent again the result's time had passed.
      if (!(error instanceof RefusedError) || error.code !== 'STALE_REQUEST') throw error
    }
  }
}

/** U+FFFD is taken for broken text by the cluster; JSON has another way to write it. Nothing is no JSON, and is ''. */
function toData(result: unknown): string {
  return JSON.stringify(result)?.replaceAll('\ufffd', '\\ufffd') ?? ''
}

function fromData<T>(data: string): T {
  return data === '' ? (undefined as T) : (JSON.parse(data) as T)
}
