import { connect, LockkeeperError, type LockState } from '../../src/client/index.js'

/** The program of `FrozenWriter`: what it says to the process that started it. */
export type Said =
  | { readonly kind: 'write'; readonly token: number }
  | {
      readonly kind: 'checked'
      readonly token: number
      readonly state: LockState
      readonly refusal: string | undefined
    }

const [addresses, name, ttlMs] = process.argv.slice(2) as [string, string, string]
const keeper = await connect(addresses, { ttlMs: Number(ttlMs), label: 'writer' })
const lock = await keeper.lock(name)
say({ kind: 'write', token: lock.token })

process.once('message', () => {
  lock.assertHeld()
  // The worst moment: it has just made sure that it holds the lock, and the write is the next thing it does.
  process.kill(process.pid, 'SIGSTOP')
  say({ kind: 'write', token: lock.token })
  const { token, state } = lock
  say({ kind: 'checked', token, state, refusal: refusal() })
})

function refusal(): string | undefined {
  try {
    lock.assertHeld()
    return undefined
  } catch (error) {
    return error instanceof LockkeeperError ? error.code : String(error)
  }
}

function say(said: Said): void {
  process.send!(said)
}
