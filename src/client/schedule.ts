import { toAcquire } from './asking.js'
import { backoffMs } from './backoff.js'
import type { Core } from './core.js'
import type { Duration } from './durations.js'
import { KeeperClosedError, LockLostError, RefusedError, ScheduleOverrunError } from './errors.js'
import { callSafely, type Held, HeldClaim } from './held.js'
import { toKeptMs, toWholeMs } from './options.js'
import { pause } from './pause.js'

export interface ScheduleOptions {
  /** From the beginning of one run to that of the next; up to 31 days. */
  readonly every: Duration
  /** After so long a run's signal is aborted, and another host may run. By default a run may take any time. */
  readonly atMost?: Duration
  /**
   * After the beginning of a run nobody else begins one for so long, even if its host is lost, in ms; 0 by default. A lost
   * host's names rest for so long once more from when that was noticed.
   */
  readonly atLeast?: Duration
  /** A run that took longer than the period: `skip`, by default, waits for the next multiple of it; `queue` runs at once. */
  readonly whenLate?: 'skip' | 'queue'
  /** For people who look at the queue: who this is. */
  readonly label?: string
  /** What a run throws, its loss, its taking too long, and why this host could not stand in line; it goes on trying. */
  readonly onError: (error: unknown) => void
}

/** One run. `signal` is aborted when it is lost, and when it has taken too long. */
export type ScheduledRun = Pick<Held, 'name' | 'token' | 'signal' | 'assertHeld'>

const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 10_000

/**
 * Runs something once per period across all hosts that ask for the same, without a wall clock: all of them stand in the
 * name's queue, whoever is granted runs, and afterwards the name rests until the period is over.
 */
export class Schedule implements AsyncDisposable {
  readonly name: string
  readonly #core: Core
  readonly #options: ScheduleOptions
  readonly #work: (run: ScheduledRun) => unknown
  readonly #stopping = new AbortController()
  readonly #everyMs: number
  readonly #atMostMs: number | undefined
  readonly #ended: Promise<void>

  /** Begins at once. @throws RefusedError `INVALID` for what makes no sense */
  constructor(core: Core, name: string, options: ScheduleOptions, work: (run: ScheduledRun) => unknown) {
    const { every, atMost, atLeast = 0, label = '', whenLate = 'skip' } = options
    this.#core = core
    this.name = name
    this.#options = options
    this.#work = work
    this.#everyMs = toKeptMs('every', every)
    this.#atMostMs = atMost === undefined ? undefined : toKeptMs('atMost', atMost)
    if (whenLate !== 'skip' && whenLate !== 'queue')
      throw new RefusedError('INVALID', `whenLate is '${whenLate}'; give 'skip' or 'queue'`)
    const atLeastMs = toWholeMs('atLeast', atLeast)
    const ask = toAcquire(name, { label }, { minHoldMs: atLeastMs, lockDelayMs: atLeastMs })
    this.#ended = this.#standInLine(ask)
  }

  /** No further run begins here; resolves when the one under way has ended. Repeated calls wait for the same. Never rejects. */
  stop(): Promise<void> {
    this.#stopping.abort()
    return this.#ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #standInLine(ask: ReturnType<typeof toAcquire>): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 0; !signal.aborted; ) {
      try {
        const outcome = await this.#core.acquire(HeldClaim, ask, { signal })
        failures = 0
        if (outcome.kind === 'held') await this.#run(outcome.held)
      } catch (error) {
        if (error === signal.reason || error instanceof KeeperClosedError) return
        this.#report(error)
        const { clock, random } = this.#core
        await pause(clock, backoffMs(failures++, RETRY_FIRST_MS, RETRY_MAX_MS, random), signal)
      }
    }
  }

  async #run(held: HeldClaim): Promise<void> {
    const { clock } = this.#core
    const sinceMs = clock.nowMs()
    const overrun = new AbortController()
    const signal = AbortSignal.any([held.signal, overrun.signal])
    const run = { name: held.name, token: held.token, signal, assertHeld: () => held.assertHeld() }
    const working = this.#runWork(run)
    await this.#atMost(working, overrun)
    const restMs = this.#restMs(clock.nowMs() - sinceMs)
    const outcome = await held.release({ restMs }).catch(async (error: unknown) => {
      // Where the name can't be made to rest, nobody runs before the period is over because it is held until then.
      this.#report(error)
      await pause(clock, restMs, this.#stopping.signal)
      return await held.release()
    })
    if (outcome === 'lost' && !held.signal.aborted)
      this.#report(new LockLostError(held.names, held.token, 'before the end of its run was confirmed'))
    // One run at a time here, also if it goes on although it was told to end.
    await working
  }

  /** What it throws is reported, and so is its being lost. */
  async #runWork(run: ScheduledRun): Promise<void> {
    const onAbort = (): void => this.#report(run.signal.reason)
    run.signal.addEventListener('abort', onAbort)
    try {
      await this.#work(run)
    } catch (error) {
      if (error !== run.signal.reason) this.#report(error)
    } finally {
      run.signal.removeEventListener('abort', onAbort)
    }
  }

  /** Waits for the run; for one that is given up no longer than that. */
  #atMost(working: Promise<void>, overrun: AbortController): Promise<void> {
    const atMostMs = this.#atMostMs
    if (atMostMs === undefined) return working
    return new Promise((resolve) => {
      const timer = this.#core.clock.after(atMostMs, () => {
        overrun.abort(new ScheduleOverrunError(this.name, atMostMs))
        resolve()
      })
      working.then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** Until the period is over that began with the grant; of several that have passed, the last. */
  #restMs(tookMs: number): number {
    const leftMs = this.#everyMs - (tookMs % this.#everyMs)
    return Math.ceil(tookMs >= this.#everyMs && this.#options.whenLate === 'queue' ? 0 : leftMs)
  }

  #report(error: unknown): void {
    callSafely(() => this.#options.onError(error))
  }
}
