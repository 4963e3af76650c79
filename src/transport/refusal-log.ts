import type { Logger } from 'pino'
import type { Clock } from '../replica/ports.js'

/** A peer that is refused comes again, every second. */
const REPEAT_MS = 60_000
/** Refusals that are remembered; the oldest are forgotten. */
const KNOWN_MAX = 256

export interface LoggedRefusal {
  readonly reason: string
  readonly remote: string
}

/** Logs why streams are refused: the same again only once a minute, with how often it was since. */
export class RefusalLog {
  readonly #logger: Pick<Logger, 'warn'>
  readonly #clock: Pick<Clock, 'nowMs'>
  /** Oldest first. */
  readonly #known = new Map<string, { readonly loggedMs: number; repeated: number }>()

  constructor(logger: Pick<Logger, 'warn'>, clock: Pick<Clock, 'nowMs'>) {
    this.#logger = logger
    this.#clock = clock
  }

  /** `kind`: refusals of one kind are the same, though their reasons may differ in figures. */
  refused(kind: string, refusal: LoggedRefusal): void {
    const nowMs = this.#clock.nowMs()
    const known = this.#known.get(kind)
    if (known !== undefined && nowMs - known.loggedMs < REPEAT_MS) {
      known.repeated++
      return
    }
    this.#known.delete(kind)
    const oldest = this.#known.keys().next()
    if (this.#known.size >= KNOWN_MAX && !oldest.done) this.#known.delete(oldest.value)
    this.#known.set(kind, { loggedMs: nowMs, repeated: 0 })
    this.#logger.warn({ ...refusal, repeated: known?.repeated ?? 0 }, 'peer stream refused')
  }
}
