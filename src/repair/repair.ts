import { LockkeeperError } from '../client/errors.js'
import { type MembersSeen, Operator } from '../client/operator.js'
import { DisownedError } from '../membership/fencing.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import { DamagedLogError, DamagedRecordsError } from '../replica/ports.js'
import { Salvage } from '../salvage/index.js'
import { beginNewLife } from './new-life.js'

/** Several election timeouts: if the others can have a leader without this node, they have one by then. */
const ELECTION_MS = 5_000

/** The node has lost what it promised, or some of it: it is not the member it was, and must not vote as that. */
export function hasLostPromises(error: unknown): boolean {
  return (
    error instanceof DamagedLogError || error instanceof DamagedRecordsError || error instanceof DisownedError
  )
}

/** Whom a node can be made anew from; nobody, if its file names no other. */
export function othersOf({ id, nodes }: NodeConfig): string[] {
  return nodes.filter((node) => node.id !== id).map(({ client }) => client)
}

/**
 * Makes of a node that has lost what it promised one that may vote. If the others have a leader it begins anew, as another
 * member. If they have none, they may be damaged too: then its disk is put together again, if that can be, and it is
 * the member that it was. Goes on until either is done or `signal` is aborted; until then nothing is touched. Rejects as
 * `beginNewLife` does, and with `loss` if the file names no others and what is lost is needed.
 */
export async function repair(
  config: NodeConfig,
  loss: unknown,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const others = othersOf(config)
  using operator = new Operator(others)
  // A disk that is another than the cluster knows is as it was written.
  const salvage = loss instanceof DisownedError ? undefined : new Salvage(config, logger)
  const aborted = rejection(signal)
  try {
    if (others.length === 0 && !(await salvage?.attempt())) throw loss
    while (others.length > 0) {
      const seen = await Promise.race([ledMembers(operator, logger), aborted])
      if (seen !== undefined) return await beginNewLife(config, seen, logger)
      if (await salvage?.attempt()) return
      signal.throwIfAborted()
    }
  } finally {
    await salvage?.close()
  }
}

/** With the reason of the signal. */
function rejection(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  // It may come when nobody waits any more.
  aborted.catch(() => undefined)
  return aborted
}

export async function ledMembers(operator: Operator, logger: Logger): Promise<MembersSeen | undefined> {
  try {
    return await operator.members(ELECTION_MS)
  } catch (error) {
    if (!(error instanceof LockkeeperError)) throw error
    logger.warn({ reason: error.message }, 'the others have no leader from whom this node could be made anew')
    return undefined
  }
}
