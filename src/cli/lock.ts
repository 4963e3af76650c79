import { hostname, userInfo } from 'node:os'
import { connect, type Lock } from '../client/index.js'
import { systemClock } from '../platform/clock.js'
import { CliError, EXIT, exitCodeOfSignal } from './exit-codes.js'
import { complain, messageOf } from './failures.js'
import { startGuardian } from './guardian.js'
import { graceMs, lostMarginMs, whileHeld } from './hold.js'
import { startProcessGroup } from './process-group.js'
import { type EndSignal, onEndSignal, refuseSuspension } from './signals.js'

export interface LockRequest {
  /** host:port, separated by commas. */
  readonly addresses: string
  readonly name: string
  readonly command: readonly string[]
  readonly ttlMs: number
  /** undefined: wait for as long as it takes. 0: only if free now. */
  readonly waitMs: number | undefined
  readonly label: string
}

/** Runs a command under a lock; resolves with the exit code. Rejects with a `CliError` or an error of the client. */
export async function runUnderLock(request: LockRequest): Promise<number> {
  const relay = new SignalRelay(request.name)
  try {
    return await connectAndRun(request, relay)
  } catch (error) {
    relay.stopped.throwIfAborted()
    throw error
  } finally {
    relay.close()
  }
}

async function connectAndRun(request: LockRequest, relay: SignalRelay): Promise<number> {
  const { addresses, name, ttlMs, waitMs, label } = request
  const signal = relay.stopped
  const session = { ttlMs, lostMarginMs: lostMarginMs(ttlMs), label: whoWeAre(), signal }
  const keeper = await connect(addresses, session)
  try {
    const lock = await keeper.lock(name, { label, signal, ...(waitMs !== undefined && { waitMs }) })
    const code = await runHolding(lock, request, relay)
    if (code === EXIT.lost) complain(`${messageOf(lock.signal.reason)}. The command was stopped.`)
    else await release(lock, ttlMs)
    return code
  } finally {
    await keeper.close()
  }
}

async function runHolding(
  lock: Lock,
  { name, command, ttlMs }: LockRequest,
  relay: SignalRelay,
): Promise<number> {
  const grace = graceMs(ttlMs)
  const guardian = startGuardian(grace)
  const allowSuspension = refuseSuspension(() => complain(NOT_SUSPENDED))
  try {
    lock.assertHeld()
    const group = await startProcessGroup(command, {
      LOCKKEEPER_NAME: name,
      LOCKKEEPER_TOKEN: String(lock.token),
    })
    guardian.watch(group.id)
    relay.to((signal) => group.signal(signal))
    lock.signal.addEventListener('abort', () => guardian.strike(), { once: true })
    return await whileHeld(group, lock, grace, systemClock)
  } finally {
    guardian.dismiss()
    allowSuspension()
  }
}

const NOT_SUSPENDED = 'Not suspended: nobody would renew the lock. Press Ctrl-C to end the command.'

/** The work is done: a release that is not confirmed changes nothing about the exit code. */
async function release(lock: Lock, ttlMs: number): Promise<void> {
  const outcome = await lock.release().catch(() => 'lost')
  if (outcome === 'released') return
  complain(
    `The command is done, but no node confirmed the release: the lock may stay taken for its TTL (${ttlMs} ms).`,
  )
}

/** Signals end the waiting; once there is a command, they are passed on to it. */
class SignalRelay {
  readonly #waiting = new AbortController()
  readonly #close: () => void
  #deliver: (signal: EndSignal) => void

  constructor(name: string) {
    this.#deliver = (signal) => {
      const message = `Stopped by ${signal} while waiting for "${name}"; the command was not started.`
      this.#waiting.abort(new CliError(exitCodeOfSignal(signal), message))
    }
    this.#close = onEndSignal((signal) => this.#deliver(signal))
  }

  get stopped(): AbortSignal {
    return this.#waiting.signal
  }

  to(deliver: (signal: EndSignal) => void): void {
    this.#deliver = deliver
  }

  close(): void {
    this.#close()
  }
}

function whoWeAre(): string {
  return `${userInfo().username}@${hostname()} pid ${process.pid}`
}
