import { type Duration, parseDuration } from './durations.js'
import { RefusedError } from './errors.js'

export interface ConnectOptions {
  /** How long the session and its locks survive without a renewal, in ms. 10,000 by default; the cluster has limits. */
  readonly ttlMs?: number
  /** For people who look at the queues: who this is. */
  readonly label?: string
  /** How long to look for a node that serves before giving up, in ms; 5,000 by default. Also bounds each read. */
  readonly connectTimeoutMs?: number
  /**
   * How long before the cluster could give a lock to another its handle turns `lost`, in ms: time to stop the work.
   * By default 5 % of the TTL, at least 50 ms. What is more than a third of the TTL is cut, what is less than 1 ms and
   * 0.1 % of the TTL is raised to that. See `Lease`.
   */
  readonly lostMarginMs?: number
  /**
   * How long the event loop may be blocked without the session being lost, in ms; at least the TTL. Another thread renews the
   * session meanwhile; connecting waits until it can, and fails with `NOT_CONNECTED` if it can't in time. A stall that lasts longer is
   * taken for a hang: the session then ends after its TTL. By default there is no such thread, and a stall of about the TTL
   * costs all locks.
   */
  readonly maxStallMs?: number
  /** Gives up connecting. Without effect once connected. */
  readonly signal?: AbortSignal
}

export interface ConnectSettings {
  readonly ttlMs: number
  readonly label: string
  readonly connectTimeoutMs: number
  readonly lostMarginMs: number | undefined
  readonly maxStallMs: number | undefined
}

/** @throws RefusedError `INVALID` for a number that makes no sense */
export function toSettings(options: ConnectOptions): ConnectSettings {
  const { ttlMs = 10_000, label = '', connectTimeoutMs = 5_000, lostMarginMs, maxStallMs } = options
  if (maxStallMs !== undefined && maxStallMs < ttlMs)
    throw new RefusedError('INVALID', `maxStallMs is ${maxStallMs}; give at least the TTL, which is ${ttlMs}`)
  return {
    ttlMs: toWholeMs('ttlMs', ttlMs),
    label,
    connectTimeoutMs: toWholeMs('connectTimeoutMs', connectTimeoutMs),
    lostMarginMs: lostMarginMs === undefined ? undefined : toWholeMs('lostMarginMs', lostMarginMs),
    maxStallMs: maxStallMs === undefined ? undefined : toWholeMs('maxStallMs', maxStallMs),
  }
}

/** As much as can be said before anybody is asked; a URL is none. */
const HOST_PORT = /^[^\s/]+:\d{1,5}$/

/** `host:port` each, in a list or separated by commas. @throws RefusedError `INVALID` if there is none */
export function toAddresses(addresses: string | readonly string[]): string[] {
  const parts = typeof addresses === 'string' ? addresses.split(',') : addresses
  const trimmed = parts.map((address) => address.trim()).filter((address) => address !== '')
  const wrong = trimmed.find((address) => !HOST_PORT.test(address))
  if (wrong !== undefined)
    throw new RefusedError('INVALID', `'${wrong}' is no host:port; write for example 10.0.0.4:7101`)
  if (trimmed.length === 0)
    throw new RefusedError('INVALID', 'no address given; name at least one node as host:port')
  return trimmed
}

/** Rounds up. @throws RefusedError `INVALID` unless it is from 0 on and can be counted in milliseconds */
export function toWholeMs(option: string, duration: Duration): number {
  const whole = typeof duration === 'string' ? parseDuration(duration) : Math.ceil(duration)
  if (whole !== undefined && Number.isSafeInteger(whole) && whole >= 0) return whole
  throw new RefusedError(
    'INVALID',
    `${option} is ${duration}; give a number of milliseconds, 0 or more, or say '500ms', '5s', '2m', '24h'`,
  )
}

/** The cluster keeps nothing on a name for longer: 31 days. */
const KEPT_MS_MAX = 31 * 24 * 60 * 60 * 1000

/** Of what stays on a name. Rounds up. @throws RefusedError `INVALID` unless it is from 1 ms to 31 days */
export function toKeptMs(option: string, duration: Duration): number {
  const whole = toWholeMs(option, duration)
  if (whole > 0 && whole <= KEPT_MS_MAX) return whole
  throw new RefusedError(
    'INVALID',
    `${option} is ${duration}; give from 1 to ${KEPT_MS_MAX} milliseconds (31 days)`,
  )
}
