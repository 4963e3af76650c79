import type { Answer, Request } from '../protocol/lockkeeper.js'
import { backoffMs } from './backoff.js'
import { type LockkeeperError, RefusedError } from './errors.js'
import type { Clock, Timer } from './ports.js'
import { isForNow, isSessionOver, toRefusedError } from './refusals.js'
import { Slots } from './slots.js'

type Operation = NonNullable<Request['operation']>
type Result = NonNullable<Answer['result']>

/** What a request is answered with that is not refused. */
export type Answered = Exclude<Result, { $case: 'refused' }>

/** What one request comes to. Exactly one of the two is called, once. */
export interface Settle {
  readonly done: (result: Answered) => void
  readonly failed: (error: LockkeeperError) => void
}

/** A request that has not had all its answers. */
export interface Pending {
  readonly slot: number
  readonly seq: number
  readonly operation: Operation
  /** Nobody waits for the outcome any more when this is undefined. */
  settle: Settle | undefined
  /** When to give up by our own clock, in case the cluster does not say so itself. */
  readonly limitMs: number
  readonly onLimit: (() => void) | undefined
  sent: boolean
  answered: boolean
  cancel: 'none' | 'asked' | 'answered'
}

/** Where requests leave. */
export interface Sender {
  /** Returns false if no node is attached: the request then waits for `resend`. */
  send(request: Request): boolean
  /**
   * A node said that it can't serve now; another may. Ever more rarely while none can: to move costs the log a renewal, and
   * all that is under way is sent again.
   */
  seek(): void
}

/** The cluster gives a session 65,537 slots; beyond this many requests in flight, those left are for releases. */
const ACQUIRES_MAX = 64_512
const NEVER = Number.POSITIVE_INFINITY
const CANCEL: Operation = { $case: 'cancel', value: {} }
const RELEASED: Answered = { $case: 'released', value: {} }
const RETRY_FIRST_MS = 50
const RETRY_MAX_MS = 500
/** Wait limits are the cluster's to keep; ours are looked at no more often than this. */
const SWEEP_MS = 50

/**
 * The requests of one session, sent again with the same numbers until they are answered (P5). A slot is used again
 * only when its request, and the request's cancellation if there was one, have been answered: so a late copy of either
 * can never touch a later request.
 */
export class Requests {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #sender: Sender
  readonly #slots = new Slots()
  /** By slot. A map keeps the order of sending, which is the order of arrival in the queues. */
  readonly #pending = new Map<number, Pending>()
  readonly #postponed = new Set<Pending>()
  #retry: Timer | undefined
  #retries = 0
  #sweep: Timer | undefined
  #sweepAtMs = NEVER

  constructor(clock: Clock, random: () => number, sender: Sender) {
    this.#clock = clock
    this.#random = random
    this.#sender = sender
  }

  /** Whether the node owes any an answer; not to those that it has put off, until they are sent again. */
  get isWaiting(): boolean {
    return this.#pending.size > this.#postponed.size
  }

  /**
   * @param onLimit called at `limitMs` if the request is still unsettled; is expected to `abandon` it
   * @throws RefusedError `LIMIT` for an acquire that would leave too little room for releases
   */
  submit(operation: Operation, settle: Settle, limitMs = NEVER, onLimit?: () => void): Pending {
    if (operation.$case === 'acquire' && this.#pending.size >= ACQUIRES_MAX) throw tooMany()
    const { slot, seq } = this.#slots.take()
    const pending: Pending = {
      slot,
      seq,
      operation,
      settle,
      limitMs,
      onLimit,
      sent: false,
      answered: false,
      cancel: 'none',
    }
    this.#pending.set(slot, pending)
    this.#send(pending)
    if (limitMs < this.#sweepAtMs) this.#sweepAt(limitMs)
    return pending
  }

  /** Takes an acquire back. Its outcome interests nobody now; what it may still be granted is given up. */
  abandon(pending: Pending): void {
    if (pending.settle === undefined) return
    pending.settle = undefined
    if (pending.sent) {
      pending.cancel = 'asked'
      this.#sender.send({ slot: pending.slot, seq: pending.seq, operation: CANCEL })
    } else this.#forget(pending)
  }

  /** Returns the refusal if it concerns the whole session. Answers to what is settled already say nothing new. */
  answered({ slot, seq, result }: Answer): RefusedError | undefined {
    const pending = this.#pending.get(slot)
    if (pending === undefined || pending.seq !== seq || result === undefined) return undefined
    if (result.$case !== 'refused') {
      this.#retries = 0
      this.#accept(pending, result)
      return undefined
    }
    const refusal = toRefusedError(result.value)
    if (isSessionOver(refusal)) return refusal
    if (isForNow(refusal)) this.#postpone(pending)
    else this.#refuse(pending, refusal)
    return undefined
  }

  /** A node is attached that has seen none of these. */
  resend(): void {
    this.#postponed.clear()
    for (const pending of this.#pending.values()) this.#send(pending)
  }

  /** Ends them all. `failing` decides what those who still wait are told; without it they are told that it was released. */
  finish(failing: LockkeeperError | undefined): void {
    this.#retry?.cancel()
    this.#sweep?.cancel()
    const waiting = [...this.#pending.values()]
    this.#pending.clear()
    this.#postponed.clear()
    for (const { settle } of waiting) {
      if (failing === undefined) settle?.done(RELEASED)
      else settle?.failed(failing)
    }
  }

  /** Ends all but the releases, without taking them back. */
  failAllButReleases(error: LockkeeperError): void {
    for (const pending of [...this.#pending.values()]) {
      if (pending.operation.$case === 'release') continue
      this.#pending.delete(pending.slot)
      this.#postponed.delete(pending)
      pending.settle?.failed(error)
    }
  }

  #send(pending: Pending): void {
    const { slot, seq, operation } = pending
    if (!pending.answered) pending.sent = this.#sender.send({ slot, seq, operation }) || pending.sent
    if (pending.cancel === 'asked') this.#sender.send({ slot, seq, operation: CANCEL })
  }

  #accept(pending: Pending, result: Answered): void {
    if (result.$case === 'cancelled') {
      pending.cancel = 'answered'
    } else {
      pending.answered = true
      this.#settle(pending)?.done(result)
    }
    this.#forgetIfAnswered(pending)
  }

  /** The first refusal answers the acquire, another one its cancellation: either way no claim is left. */
  #refuse(pending: Pending, refusal: RefusedError): void {
    if (pending.answered) pending.cancel = 'answered'
    pending.answered = true
    this.#settle(pending)?.failed(refusal)
    this.#forgetIfAnswered(pending)
  }

  #settle(pending: Pending): Settle | undefined {
    const settle = pending.settle
    pending.settle = undefined
    return settle
  }

  #forgetIfAnswered(pending: Pending): void {
    if (pending.answered && pending.cancel !== 'asked') this.#forget(pending)
  }

  #forget(pending: Pending): void {
    this.#pending.delete(pending.slot)
    this.#postponed.delete(pending)
    this.#slots.give(pending.slot)
  }

  #postpone(pending: Pending): void {
    this.#postponed.add(pending)
    if (this.#retry !== undefined) return
    if (isPowerOfTwo(this.#retries + 1)) this.#sender.seek()
    const pauseMs = backoffMs(this.#retries++, RETRY_FIRST_MS, RETRY_MAX_MS, this.#random)
    this.#retry = this.#clock.after(pauseMs, () => {
      this.#retry = undefined
      const again = [...this.#postponed]
      this.#postponed.clear()
      for (const postponed of again) this.#send(postponed)
    })
  }

  #sweepAt(atMs: number): void {
    this.#sweep?.cancel()
    this.#sweepAtMs = atMs
    this.#sweep = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => this.#sweepLimits())
  }

  #sweepLimits(): void {
    const nowMs = this.#clock.nowMs()
    const limited = [...this.#pending.values()].filter((pending) => pending.settle !== undefined)
    for (const pending of limited) if (pending.limitMs <= nowMs) pending.onLimit?.()
    const nextMs = limited.reduce(
      (least, { limitMs }) => (limitMs > nowMs ? Math.min(least, limitMs) : least),
      NEVER,
    )
    this.#sweepAtMs = NEVER
    if (nextMs !== NEVER) this.#sweepAt(Math.max(nextMs, nowMs + SWEEP_MS))
  }
}

function isPowerOfTwo(n: number): boolean {
  return (n & (n - 1)) === 0
}

function tooMany(): RefusedError {
  const limit = `at most ${ACQUIRES_MAX} requests of one session are under way at once`
  return new RefusedError('LIMIT', `${limit}; connect() once more for another session, or ask later`)
}
