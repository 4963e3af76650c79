import type { Keeper } from '../client/index.js'
import { connected } from './holding.js'

/** Long enough for one request. */
const TTL_MS = 5_000

/** Connects to do one thing about a name that others hold. Rejects as the client does. */
export async function intervene(
  addresses: readonly string[],
  act: (keeper: Keeper) => Promise<void>,
): Promise<void> {
  const asking = { addresses: addresses.join(), ttlMs: TTL_MS, what: 'the cluster' }
  await connected(asking, async (keeper) => {
    await act(keeper)
    return 0
  })
}

export function counted(count: number, what: string): string {
  return `${count} ${count === 1 ? 'claim' : 'claims'} ${what}`
}
