import type { Held, Keeper, LockOptions } from '../client/index.js'
import { connected, runAndRelease } from './holding.js'
import { orWhyNot } from './why-not.js'

export interface LockRequest {
  /** host:port, separated by commas. */
  readonly addresses: string
  readonly names: readonly string[]
  readonly command: readonly string[]
  readonly ttlMs: number
  readonly shared: boolean
  /** Of a semaphore on the one name; undefined: a lock. */
  readonly permits: { readonly count: number; readonly of: number } | undefined
  /** How it stands in the queue, and what it leaves. */
  readonly options: LockOptions
}

/** Runs a command under a lock; resolves with the exit code. Rejects with a `CliError` or an error of the client. */
export function runUnderLock(request: LockRequest): Promise<number> {
  const { addresses, names, command, ttlMs } = request
  const what = names.map((name) => `"${name}"`).join(' and ')
  return connected({ addresses, ttlMs, what }, async (keeper, relay) => {
    const { held, seats } = await orWhyNot(keeper, names, () => acquire(keeper, request, relay.stopped))
    const environment = {
      LOCKKEEPER_NAME: held.name,
      LOCKKEEPER_NAMES: names.join('\n'),
      LOCKKEEPER_TOKEN: String(held.token),
      ...(seats.length > 0 && { LOCKKEEPER_SEATS: seats.join(' ') }),
    }
    return await runAndRelease(held, { command, ttlMs, environment }, relay)
  })
}

async function acquire(
  keeper: Keeper,
  { names, shared, permits, options }: LockRequest,
  signal: AbortSignal,
): Promise<{ held: Held; seats: readonly number[] }> {
  if (permits === undefined) {
    const mode = shared ? 'shared' : 'exclusive'
    return {
      held: await keeper.lock(names, { ...options, mode, signal, ifAvailable: false }),
      seats: [],
    }
  }
  const semaphore = keeper.semaphore(names[0]!, { capacity: permits.of })
  const held = await semaphore.acquire({ ...options, permits: permits.count, signal, ifAvailable: false })
  return { held, seats: held.seats }
}
