import { type Acquire, Mode, type Terms } from '../protocol/lockkeeper.js'
import { RefusedError } from './errors.js'
import { toWholeMs } from './options.js'
import { assertFits } from './outbox.js'
import type { WaitOptions } from './waiting.js'

/** What any claim may say of itself. */
export interface ClaimOptions extends WaitOptions {
  /** For people who look at the queue: what this is for. */
  readonly label?: string
  /** For programs that look at the queue. */
  readonly data?: string
  /**
   * The task of this session that asks. If it would wait for itself, by way of whatever others, it is refused with a
   * `DeadlockError`. Tasks without a name are independent of each other.
   */
  readonly owner?: string
  /** The greater goes first, 0 to 255; 0 by default. */
  readonly priority?: number
}

/** What a primitive adds to it. */
export type Shape = {
  readonly [K in keyof Added]?: Added[K] | undefined
}

interface Added extends Omit<Terms, 'data' | 'owner' | 'priority'> {
  readonly mode: Mode
  readonly permits: number
  readonly capacity: number
}

/** @throws RefusedError `INVALID` or `LIMIT` for what could not be sent */
export function toAcquire(
  names: string | readonly string[],
  options: ClaimOptions,
  shape: Shape = {},
): Acquire {
  const all = typeof names === 'string' ? [names] : [...names]
  const { waitMs, ifAvailable = false, label = '' } = options
  for (const name of all) assertText('a name', name)
  assertText('a label', label)
  const limitMs = ifAvailable ? 0 : waitMs
  const ask: Acquire = {
    names: all,
    waitMs: limitMs === undefined ? undefined : toWholeMs('waitMs', limitMs),
    label,
    mode: shape.mode ?? Mode.EXCLUSIVE,
    permits: toCount('permits', shape.permits),
    capacity: toCount('capacity', shape.capacity),
    terms: toTerms(options, shape),
  }
  assertFits({ $case: 'acquire', value: ask })
  return ask
}

/** Undefined if nothing is asked for: a cluster of an earlier version knows no terms. */
function toTerms(options: ClaimOptions, shape: Shape): Terms | undefined {
  const { data = '', owner = '' } = options
  const { reentrant = false, steal = false, upgrades = 0, fingerprint } = shape
  const priority = toCount('priority', options.priority)
  const lockDelayMs = toWholeMs('lockDelayMs', shape.lockDelayMs ?? 0)
  const minHoldMs = toWholeMs('minHoldMs', shape.minHoldMs ?? 0)
  const asks = data || owner || priority || reentrant || steal || upgrades || lockDelayMs || minHoldMs
  if (!asks && fingerprint === undefined) return undefined
  assertText('data', data)
  assertText('an owner', owner)
  if (fingerprint !== undefined) assertText('a fingerprint', fingerprint)
  return { data, owner, reentrant, priority, steal, upgrades, lockDelayMs, minHoldMs, fingerprint }
}

/** @throws RefusedError `INVALID`: what is no text could not be put on the wire */
export function assertText(what: string, text: unknown): void {
  if (typeof text !== 'string') throw new RefusedError('INVALID', `${what} must be a string`)
}

/** What the wire can carry; the cluster knows what makes sense. */
export function toCount(option: string, count = 0, max = 2 ** 32 - 1): number {
  if (Number.isInteger(count) && count >= 0 && count <= max) return count
  throw new RefusedError('INVALID', `${option} is ${count}; give a whole number, 0 or more`)
}
