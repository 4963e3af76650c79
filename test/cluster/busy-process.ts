import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type ConnectOptions, connect, type Lock, LockkeeperError } from '../../src/client/index.js'

/** What a handle says of itself. */
export interface Seen {
  readonly name: string
  readonly token: number
  /** The code of what `assertHeld()` throws, if it throws. */
  readonly refusal: string | undefined
  readonly expiresInMs: number
}

/** What a `BusyHolder` says to the process that started it. */
export interface Said {
  readonly address: string | undefined
  readonly seen: readonly Seen[]
}

const [addresses, names, options] = process.argv.slice(2) as [string, string, string]
const keeper = await connect(addresses, JSON.parse(options) as ConnectOptions)
const locks = await Promise.all(names.split(',').map((name) => keeper.lock(name)))
say()

process.on('message', async (until: string | undefined) => {
  if (typeof until === 'string') {
    computeUntil(until)
    say()
  } else {
    await Promise.all(locks.map((lock) => lock.release()))
    await keeper.close()
    say()
    // From here on, nothing of the client may keep the process running.
    process.disconnect()
  }
})

/** A long computation: the event loop does not turn before there is such a file. */
function computeUntil(file: string): void {
  let sum = ''
  while (!existsSync(file))
    for (let k = 0; k < 1_000; k++) sum = createHash('sha256').update(sum).digest('hex')
}

function say(): void {
  process.send!({ address: keeper.session.address, seen: locks.map(see) } satisfies Said)
}

function see(lock: Lock): Seen {
  const { name, token } = lock
  return { name, token, refusal: refusal(lock), expiresInMs: lock.expiresInMs }
}

function refusal(lock: Lock): string | undefined {
  try {
    lock.assertHeld()
    return undefined
  } catch (error) {
    return error instanceof LockkeeperError ? error.code : String(error)
  }
}
