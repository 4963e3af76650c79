import { connect, type Lock, type LockState } from '../../src/client/index.js'
import type { Verdict, Write } from './account.js'
import { perform } from './actor.js'

/** One who takes locks with the real client, and writes to the account under them. */

const [addresses, name, ttlMs, account] = process.argv.slice(2) as [string, string, string, string]
const connecting = connect(addresses, { label: name, ttlMs: Number(ttlMs) })
const held = new Map<string, { lock: Lock; states: LockState[] }>()

const deeds = {
  /** Resolves when it has a session. */
  session: async () => (await connecting).session.id,

  /** Waits in the queue for as long as it takes. Resolves with the token. */
  async lock(lockName: string): Promise<number> {
    const keeper = await connecting
    const lock = await keeper.lock(lockName)
    const states: LockState[] = [lock.state]
    lock.onStateChange((state) => states.push(state))
    held.set(lockName, { lock, states })
    return lock.token
  },

  /** What its handle says now, and all that it has said before. */
  handle(lockName: string) {
    const { lock, states } = held.get(lockName)!
    return { state: lock.state, token: lock.token, states }
  },

  release: (lockName: string) => held.get(lockName)!.lock.release(),

  async read(): Promise<number> {
    const response = await fetch(account)
    const { balance } = (await response.json()) as Write
    return balance
  },

  /** Sends the write with the lock's token. Whether it still holds the lock it does not ask: the account must. */
  async write(lockName: string, balance: number): Promise<Verdict> {
    const write: Write = { by: name, token: held.get(lockName)!.lock.token, balance }
    const response = await fetch(account, { method: 'PUT', body: JSON.stringify(write) })
    return (await response.json()) as Verdict
  },
}
export type WorkerDeeds = typeof deeds

perform(deeds)
