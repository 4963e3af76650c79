import { hostname, userInfo } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { connect, type Held, type Keeper } from '../client/index.js'
import { systemClock } from '../platform/clock.js'
import { CliError, EXIT, exitCodeOfSignal } from './exit-codes.js'
import { complain, messageOf } from './failures.js'
import { startGuardian } from './guardian.js'
import { graceMs, lostMarginMs, whileHeld } from './hold.js'
import { startProcessGroup } from './process-group.js'
import { type EndSignal, onEndSignal, refuseSuspension } from './signals.js'

/** Where and as whom to ask. */
export interface Asking {
  /** host:port, separated by commas. */
  readonly addresses: string
  readonly ttlMs: number
  /** For messages: what is waited for. */
  readonly what: string
}

/** What runs while something is held. */
export interface Work {
  readonly command: readonly string[]
  readonly ttlMs: number
  readonly environment: NodeJS.ProcessEnv
  /** Gets what the command writes to its stdout, which goes to ours as well. */
  readonly onOutput?: (chunk: Buffer) => void
}

/**
 * Connects, and lets `use` do the rest; its signals end the waiting, until there is a command to pass them on to. Resolves
 * with what `use` does: the exit code. Rejects with a `CliError` or an error of the client.
 */
export async function connected(
  { addresses, ttlMs, what }: Asking,
  use: (keeper: Keeper, relay: SignalRelay) => Promise<number>,
): Promise<number> {
  const relay = new SignalRelay(what)
  try {
    const { stopped: signal } = relay
    const session = { ttlMs, lostMarginMs: lostMarginMs(ttlMs), label: whoWeAre(), signal }
    const keeper = await connect(addresses, session)
    try {
      return await use(keeper, relay)
    } finally {
      await keeper.close()
    }
  } catch (error) {
    relay.stopped.throwIfAborted()
    throw error
  } finally {
    relay.close()
  }
}

/** Runs the command while this is held, and gives it back afterwards. Resolves with the exit code. */
export async function runAndRelease(held: Held, work: Work, relay: SignalRelay): Promise<number> {
  const code = await runWhileHeld(held, work, relay)
  if (code !== EXIT.lost) await release(held, work.ttlMs)
  return code
}

/** Resolves with the command's exit code, or with `EXIT.lost` if it was stopped because this was lost. */
export async function runWhileHeld(held: Held, work: Work, relay: SignalRelay): Promise<number> {
  const { command, ttlMs, environment, onOutput } = work
  const grace = graceMs(ttlMs)
  const guardian = startGuardian(grace)
  const allowSuspension = refuseSuspension(() => complain(NOT_SUSPENDED))
  try {
    held.assertHeld()
    const group = await startProcessGroup(command, environment, onOutput)
    guardian.watch(group.id)
    relay.to((signal) => group.signal(signal))
    held.signal.addEventListener('abort', () => guardian.strike(), { once: true })
    const code = await whileHeld(group, held, grace, systemClock)
    if (onOutput !== undefined) await Promise.race([group.outputEnded, setTimeout(STRAY_OUTPUT_MS)])
    if (code === EXIT.lost) complain(`${messageOf(held.signal.reason)}. The command was stopped.`)
    return code
  } finally {
    guardian.dismiss()
    allowSuspension()
  }
}

/** Without a command: holds until a signal says to end, or until it is lost. Resolves with the exit code. */
export async function holdUntilSignal(held: Held, ttlMs: number, relay: SignalRelay): Promise<number> {
  const signalled = new Promise<number>((resolve) => relay.to(() => resolve(0)))
  const lost = new Promise<number>((resolve) => {
    held.signal.addEventListener('abort', () => resolve(EXIT.lost), { once: true })
  })
  const code = held.signal.aborted ? EXIT.lost : await Promise.race([signalled, lost])
  if (code === EXIT.lost) complain(messageOf(held.signal.reason))
  else await release(held, ttlMs)
  return code
}

/** How long to listen to what has left the command's group and still writes. */
const STRAY_OUTPUT_MS = 1_000
const NOT_SUSPENDED = 'Not suspended: nobody would renew the lock. Press Ctrl-C to end the command.'

/** The work is done: a release that is not confirmed changes nothing about the exit code. */
async function release(held: Held, ttlMs: number): Promise<void> {
  const outcome = await held.release().catch(() => 'lost')
  if (outcome === 'released') return
  complain(
    `It is done, but no node confirmed the release: the name may stay taken for its TTL (${ttlMs} ms).`,
  )
}

/** Signals end the waiting; once there is a command, they are passed on to it. */
export class SignalRelay {
  readonly #waiting = new AbortController()
  readonly #close: () => void
  #deliver: (signal: EndSignal) => void

  constructor(what: string) {
    this.#deliver = (signal) => {
      const message = `Stopped by ${signal} while waiting for ${what}; nothing was started.`
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
