import { RefusedError, UnreachableError } from '../../src/client/errors.js'
import { Mode, type Session } from '../../src/protocol/lockkeeper.js'
import type { ClientNetwork, UnaryMethod } from './client-network.js'
import type { History } from './history.js'
import type { Ledger } from './ledger.js'
import type { Process } from './process.js'
import type { Random } from './random.js'

export interface CallerParts {
  readonly process: Process
  readonly random: Random
  readonly network: ClientNetwork
  /** Of the nodes there are now. */
  readonly addresses: () => readonly string[]
  readonly names: readonly string[]
  readonly ttlMs: number
  readonly holdMs: number
  readonly ledger: Ledger
  readonly history: History
}

const PASSING: ReadonlySet<string> = new Set(['NO_LEADER', 'STOPPING', 'BUSY'])
const CALL_MS_MAX = 2_000
const EXCLUSIVE = { mode: Mode.EXCLUSIVE, permits: 0, capacity: 0 }
const PAUSE_MS_MAX = 200

/** The session is over; the next thing is a new one. */
class Over extends Error {}

/**
 * A program in another language, without our client: unary calls to any node, each repeated with the same numbers until it
 * is answered, and often made twice at once. All answers to the same numbers must agree (P5).
 */
export class UnaryCaller {
  readonly #parts: CallerParts
  #seq = 0
  #ending = false
  #idle = false

  constructor(parts: CallerParts) {
    this.#parts = parts
    void this.#live()
  }

  get idle(): boolean {
    return this.#idle
  }

  finish(): void {
    this.#ending = true
  }

  async #live(): Promise<void> {
    const { random, ttlMs, process, history } = this.#parts
    while (!this.#ending) {
      try {
        const key = random.integer(1, Number.MAX_SAFE_INTEGER - 1)
        const { session } = (await this.#ask('openSession', { ttlMs, label: process.name, key })) as {
          session: Session
        }
        this.#seq = 0
        while (!this.#ending) await this.#passOnce(session)
        await this.#ask('closeSession', { session })
      } catch (error) {
        if (!(error instanceof Over)) history.broken('caller: an error nobody should see', { error })
      }
    }
    this.#idle = true
  }

  async #passOnce(session: Session): Promise<void> {
    const { random, names, holdMs, ledger, history, process } = this.#parts
    const label = `${process.name}-${session.id}-${++this.#seq}`
    const request = { session, slot: 1, seq: this.#seq, names: [random.pick(names)], label, ...EXCLUSIVE }
    const waitMs = random.integer(0, 1_000)
    const answer = (await this.#ask('acquire', { ...request, waitMs })) as { token?: number }
    if (random.chance(0.2)) await this.#mistake({ ...request, names: ['another name'], waitMs })
    if (answer.token === undefined) return
    const claim = ledger.byToken.get(answer.token)
    if (claim?.label !== label)
      history.broken('P5 exactly once: a grant that is not in the log', { label, answer, claim })
    await this.#pause(random.exponential(holdMs))
    await this.#ask('keepAlive', { session })
    const { token } = answer
    await this.#ask('release', { session, slot: 2, seq: this.#seq, token, heir: 0, restMs: 0 })
    if (claim?.end === undefined)
      history.broken('P5 exactly once: a release was acknowledged that is not in the log', { label, claim })
  }

  /** Another request with the same numbers, made once: what it is answered, the ledger judges. */
  async #mistake(request: unknown): Promise<void> {
    const { network, process, random, addresses } = this.#parts
    await network
      .call(process, random.pick(addresses()), 'acquire', request, CALL_MS_MAX)
      .catch(() => undefined)
  }

  /** Until somebody answers. A refusal for good is an answer, too: `{ refused }`. */
  async #ask(method: UnaryMethod, request: unknown): Promise<unknown> {
    if (!this.#parts.random.chance(0.3)) return this.#askOnce(method, request)
    const [one, other] = await Promise.all([this.#askOnce(method, request), this.#askOnce(method, request)])
    const once = method === 'acquire' || method === 'release' || method === 'openSession'
    if (once && JSON.stringify(one) !== JSON.stringify(other) && !this.#hasEnded(one, other))
      this.#parts.history.broken('P5 exactly once: one request, two answers', { method, request, one, other })
    return one
  }

  /** A key opens another session when the first has expired before its twin was answered. */
  #hasEnded(...answers: unknown[]): boolean {
    const opened = answers as Partial<{ session: Session }>[]
    return opened.some(({ session }) => this.#parts.ledger.sessions.get(session?.id ?? 0)?.end !== undefined)
  }

  async #askOnce(method: UnaryMethod, request: unknown): Promise<unknown> {
    const { network, process, random, addresses, history } = this.#parts
    for (;;) {
      try {
        const timeoutMs = random.between(100, CALL_MS_MAX)
        const answer = await network.call(process, random.pick(addresses()), method, request, timeoutMs)
        history.note(process.name, `${method}: ${JSON.stringify(answer)}`)
        return answer
      } catch (error) {
        if (error instanceof RefusedError && !PASSING.has(error.code)) return this.#refused(method, error)
        if (!(error instanceof RefusedError || error instanceof UnreachableError)) throw error
      }
      await this.#pause(random.between(0, PAUSE_MS_MAX))
    }
  }

  #refused(method: UnaryMethod, { code, message }: RefusedError): unknown {
    this.#parts.history.note(this.#parts.process.name, `${method}: ${code}`)
    if (code === 'SESSION_EXPIRED') throw new Over(message)
    if (method !== 'acquire' || code !== 'TIMEOUT') throw new Error(`${method}: ${code}: ${message}`)
    return { refused: code }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.process.clock.after(ms, resolve))
  }
}
