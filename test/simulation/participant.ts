import type { Connector } from '../../src/client/ports.js'
import {
  type Acquire,
  type Granted,
  Mode,
  type Notice,
  Notice_Kind,
  RefusalCode,
  type Release,
  type Terms,
} from '../../src/protocol/lockkeeper.js'
import { PLAIN_TERMS } from '../api/plain.js'
import type { LoggedClaim } from './book.js'
import type { ClientChecks } from './client-checks.js'
import type { ClientNetwork } from './client-network.js'
import type { History } from './history.js'
import type { Ledger } from './ledger.js'
import type { Process } from './process.js'
import type { Random } from './random.js'
import { type Operation, Over, type Told, WireSession } from './wire-session.js'

export interface ParticipantParts {
  readonly process: Process
  readonly random: Random
  readonly network: ClientNetwork
  /** Of the nodes there are now. */
  readonly addresses: () => readonly string[]
  readonly ttlMs: number
  /** How long it usually holds something, in ms. */
  readonly holdMs: number
  readonly ledger: Ledger
  readonly checks: ClientChecks
  readonly history: History
  /** One thing that it may do, from the beginning to the end. */
  readonly story: (participant: Participant) => Promise<void>
}

/** What it asks for; the rest is plain. */
export type Wish = Partial<Omit<Acquire, 'terms'>> & { readonly terms?: Partial<Terms> }

export interface Held extends Granted {
  readonly label: string
}

const PLAIN: Omit<Acquire, 'names' | 'label' | 'terms'> = {
  waitMs: undefined,
  mode: Mode.EXCLUSIVE,
  permits: 0,
  capacity: 0,
}
/** What it may be told when others are in its way, or have been, or an old version still has a say. */
const EXPECTED: ReadonlySet<RefusalCode> = new Set([
  RefusalCode.TIMEOUT,
  // The answer came too late: what was found is kept no longer.
  RefusalCode.STALE_REQUEST,
  RefusalCode.CANCELLED,
  RefusalCode.NOT_HELD,
  RefusalCode.CONFLICT,
  RefusalCode.DEADLOCK,
  RefusalCode.INVALID,
  RefusalCode.UNSUPPORTED,
])
const STORIES_AT_A_TIME = 3
const READ_MS_MAX = 1_000
const LOSS_TOLD_WITHIN_MS = 20_000

/**
 * A program that coordinates with others in every way that the contract offers, several stories at a time, one session
 * after the other: some are closed, some are just left to expire.
 */
export class Participant {
  readonly #parts: ParticipantParts
  readonly #reads: Connector
  #session: WireSession | undefined
  #calls = 0
  #ending = false
  #idle = false

  constructor(parts: ParticipantParts) {
    this.#parts = parts
    this.#reads = parts.network.connector(parts.process)
    void this.#live()
  }

  get random(): Random {
    return this.#parts.random
  }

  get idle(): boolean {
    return this.#idle
  }

  finish(): void {
    this.#ending = true
  }

  // ---- what stories are made of; each rejects with `Over` when the session is

  /** Undefined: it was refused, or the work was found done. */
  async acquire(names: readonly string[], wish: Wish = {}): Promise<Held | undefined> {
    const { ledger, process, random } = this.#parts
    const label = `${process.name}-${++this.#calls}`
    const terms = wish.terms && { ...PLAIN_TERMS, ...wish.terms }
    const value: Acquire = { ...PLAIN, ...wish, names: [...names], label, terms }
    const told = await this.#ask({ $case: 'acquire', value }, (takeBack) => {
      // Who waits for ever changes its mind some time.
      if (value.waitMs === undefined && value.mode !== Mode.MEMBER)
        process.clock.after(random.exponential(1_000), takeBack)
    })
    if (told.$case !== 'granted') {
      if (told.$case !== 'refused' || told.value.code !== RefusalCode.UNSUPPORTED) ledger.over(label)
      return undefined
    }
    this.#checkGrant(label, value, told.value)
    return { label, ...told.value }
  }

  async release({ token }: Held, more: Partial<Release> = {}): Promise<void> {
    const claim = this.#parts.ledger.byToken.get(token)!
    const value = { token, heir: 0, restMs: 0, result: undefined, ...more }
    const told = await this.#ask({ $case: 'release', value })
    if (told.$case === 'released' && claim.end === undefined && claim.holds === 0)
      this.#broken('P5 exactly once: a release was acknowledged that is not in the log', { claim })
    if (told.$case === 'refused' && claim.end === 'forced') await this.#expectLoss(claim)
  }

  /** Whether it was done. */
  async do(operation: Operation): Promise<boolean> {
    return (await this.#ask(operation)).$case !== 'refused'
  }

  hold(): Promise<void> {
    return this.#pause(this.random.exponential(this.#parts.holdMs))
  }

  /** Ids of those who wait for the name, as a node shows them. */
  async waiters(name: string): Promise<number[]> {
    const { addresses, random, ledger, checks } = this.#parts
    const askedIndex = ledger.newestIndex
    try {
      const address = random.pick(addresses())
      const { name: state } = await this.#reads.call(address, 'getName', { name }, READ_MS_MAX)
      checks.read(askedIndex, state!)
      return state!.waiters.map(({ id }) => id)
    } catch {
      // Who has no answer goes without.
      return []
    }
  }

  // ---- its life

  async #live(): Promise<void> {
    while (!this.#ending) {
      const session = new WireSession({ ...this.#parts, onNotice: (notice) => this.#noticed(notice) })
      this.#session = session
      await session.open()
      // Nobody says a word any more, whatever is held.
      if (this.random.chance(0.4))
        this.#parts.process.clock.after(this.random.exponential(8_000), () => session.abandon())
      await Promise.all(Array.from({ length: STORIES_AT_A_TIME }, () => this.#work(session)))
      await session.ask({ $case: 'close', value: {} }).catch(ignoreOver)
      session.abandon()
    }
    this.#idle = true
  }

  async #work(session: WireSession): Promise<void> {
    while (!this.#ending && !session.isOver) {
      await this.#parts.story(this).catch((error: unknown) => {
        if (!(error instanceof Over)) this.#broken('an error nobody should see', { error })
      })
      await this.hold()
    }
  }

  async #ask(operation: Operation, onSent?: (takeBack: () => void) => void): Promise<Told> {
    const told = await this.#session!.ask(operation, onSent)
    if (told.$case === 'refused' && !EXPECTED.has(told.value.code))
      this.#broken('a refusal nobody should see', { operation, told })
    return told
  }

  #checkGrant(label: string, asked: Acquire, { token, seats }: Granted): void {
    const claim = this.#parts.ledger.byToken.get(token)
    const isAgain = asked.terms?.reentrant && claim?.asked.owner === asked.terms.owner
    if (claim?.label !== label && !isAgain)
      this.#broken('P5 exactly once: a grant that is not in the log', { label, token, claim })
    if (claim?.session !== this.#session!.id || claim.seats.join() !== seats.join())
      this.#broken('a grant is not as it is in the log', { label, token, seats, claim })
  }

  #noticed({ kind, token }: Notice): void {
    const claim = this.#parts.ledger.byToken.get(token)
    if (kind === Notice_Kind.LOST && claim?.end !== 'forced')
      this.#broken('notices: told of a loss that is none', { token, claim })
  }

  /** Told at once, or when it is next attached. */
  async #expectLoss(claim: LoggedClaim): Promise<void> {
    const session = this.#session!
    const { clock } = this.#parts.process
    for (const sinceMs = clock.nowMs(); !session.isOver && !session.losses.has(claim.token!); ) {
      if (clock.nowMs() - sinceMs > LOSS_TOLD_WITHIN_MS)
        return this.#broken('notices: a holder was never told of its loss', { claim })
      await this.#pause(20)
    }
  }

  #broken(promise: string, facts: Record<string, unknown>): void {
    this.#parts.history.broken(promise, { participant: this.#parts.process.name, ...facts })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.process.clock.after(ms, resolve))
  }
}

function ignoreOver(error: unknown): void {
  if (!(error instanceof Over)) throw error
}
