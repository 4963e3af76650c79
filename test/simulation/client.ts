import { connectWith } from '../../src/client/connect.js'
import { LockkeeperError } from '../../src/client/errors.js'
import type { Keeper } from '../../src/client/keeper.js'
import type { Lock, LockOptions } from '../../src/client/lock.js'
import type { ConnectOptions } from '../../src/client/options.js'
import type { Connector, StandInOwner, StandInThread } from '../../src/client/ports.js'
import { type Duty, StandIn } from '../../src/client/stand-in.js'
import type { ClientChecks } from './client-checks.js'
import type { ClientNetwork } from './client-network.js'
import type { History } from './history.js'
import type { Ledger } from './ledger.js'
import { Onlooker } from './onlooker.js'
import type { Process } from './process.js'
import type { Random } from './random.js'

export interface ClientParts {
  readonly process: Process
  readonly random: Random
  readonly network: ClientNetwork
  /** Of the nodes there are now. */
  readonly addresses: () => readonly string[]
  readonly names: readonly string[]
  readonly options: ConnectOptions
  /** How long it usually holds a lock, and pauses between two, in ms. */
  readonly holdMs: number
  readonly pauseMs: number
  readonly workers: number
  readonly ledger: Ledger
  readonly checks: ClientChecks
  readonly history: History
}

/** What a client may be told when things go wrong around it; anything else is a mistake of ours. */
const EXPECTED: ReadonlySet<string> = new Set([
  'TIMEOUT',
  'SESSION_LOST',
  'NOT_CONNECTED',
  'CLOSED',
  'LOCK_LOST',
])

const RECONNECT_MS = 100
/** Longer than any TTL. */
const LONG_HOLD_MS = 6_000

/**
 * One process that uses the client as a program would, in every way it offers, with several workers at a time. Its calls
 * are numbered; the number is the label of the claim, by which the log is searched for what the call came to.
 */
export class Client {
  readonly #parts: ClientParts
  readonly #labels = new WeakMap<Lock, string>()
  #keeper: Keeper | undefined
  /** What the keeper was told to begin with. */
  #told: readonly string[] = []
  #connecting: Promise<Keeper | undefined> | undefined
  readonly #onlooker: Onlooker | undefined
  #ending = false
  #closing = false
  #working = 0
  #calls = 0
  /** Of all calls that have ended. */
  readonly ended: string[] = []
  readonly counts = {
    granted: 0,
    timedOut: 0,
    aborted: 0,
    lost: 0,
    released: 0,
    read: 0,
    connected: 0,
    stoodIn: 0,
    change: 0,
    state: 0,
    gap: 0,
  }

  constructor(parts: ClientParts) {
    this.#parts = parts
    for (let k = 0; k < parts.workers; k++) void this.#work()
    if (parts.workers > 0) this.#onlooker = this.#lookOn(parts)
  }

  get process(): Process {
    return this.#parts.process
  }

  get idle(): boolean {
    return this.#working === 0
  }

  /** Begins nothing new. */
  finish(): void {
    this.#ending = true
  }

  /** Takes and gives back every name, one after the other. */
  async visitAll(waitMs: number): Promise<void> {
    for (const name of this.#parts.names) {
      const keeper = await this.#connected()
      if (keeper === undefined) return this.#mistake(new Error('no connection though all is well'))
      const lock = await this.#lock(keeper, name, { waitMs })
      if (lock === null) return this.#mistake(new Error(`${name} was not granted though all is well`))
      await this.#release(lock)
    }
  }

  /** What it watches, it has seen. */
  get isUpToDate(): boolean {
    return this.#onlooker?.isUpToDate ?? true
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#onlooker?.finish()
    const keeper = this.#keeper ?? (await this.#connecting)
    await keeper?.close()
  }

  async #work(): Promise<void> {
    this.#working++
    const { random, pauseMs } = this.#parts
    while (!this.#ending) {
      const keeper = await this.#connected()
      if (keeper === undefined) await this.#pause(RECONNECT_MS)
      else await this.#something(keeper)
      await this.#pause(random.exponential(pauseMs))
    }
    this.#working--
  }

  #lookOn({ process, random, names, ledger, history }: ClientParts): Onlooker {
    return new Onlooker({
      ...{ process, ledger, history, name: random.pick(names) },
      connected: () => this.#connected(),
      onNotConnected: () => (this.#ending ? this.#startAnew() : this.#askAround()),
      onSeen: (kind) => this.counts[kind]++,
    })
  }

  #connected(): Promise<Keeper | undefined> {
    if (this.#closing) return Promise.resolve(undefined)
    if (this.#keeper !== undefined) return Promise.resolve(this.#keeper)
    this.#connecting ??= this.#connect()
    return this.#connecting
  }

  async #connect(): Promise<Keeper | undefined> {
    const { process, network, random, addresses, options } = this.#parts
    const ports = {
      clock: process.clock,
      connector: network.connector(process),
      random: random.next,
      startStandIn: (duty: Duty, owner: StandInOwner) => this.#startStandIn(duty, owner),
    }
    try {
      this.#told = addresses()
      this.#keeper = await connectWith(ports, this.#told, options)
      this.counts.connected++
      return this.#keeper
    } catch (error) {
      this.#failed('connect', error)
      return undefined
    } finally {
      this.#connecting = undefined
    }
  }

  #startStandIn(duty: Duty, owner: StandInOwner): StandInThread {
    const { process, network } = this.#parts
    const thread = process.thread()
    const connector = network.connector(thread)
    const counted: Connector = {
      ...connector,
      call: (address, method, request, timeoutMs) => {
        this.counts.stoodIn++
        return connector.call(address, method, request, timeoutMs)
      },
    }
    const standIn = new StandIn({ clock: thread.clock, connector: counted }, duty, () =>
      process.take(() => owner.standInReady()),
    )
    return { tell: (sign) => thread.take(() => standIn.heard(sign)), stop: () => thread.kill() }
  }

  async #something(keeper: Keeper): Promise<void> {
    const { random, names, holdMs } = this.#parts
    const name = random.pick(names)
    // Now and then for so long that the session is more likely to be lost meanwhile.
    const long = random.chance(0.1)
    const hold = (): Promise<void> => this.#pause(long ? LONG_HOLD_MS : random.exponential(holdMs))
    const dice = random.next()
    if (dice < 0.3) await this.#holdAndRelease(keeper, name, {}, hold)
    else if (dice < 0.42)
      await this.#holdAndRelease(keeper, name, { waitMs: random.exponential(holdMs * 2) }, hold)
    else if (dice < 0.52) await this.#holdAndRelease(keeper, name, { ifAvailable: true }, hold)
    else if (dice < 0.64) await this.#holdAndRelease(keeper, name, this.#withSignal(), hold)
    else if (dice < 0.72) await this.#holdAndRelease(keeper, this.#several(), {}, hold)
    else if (dice < 0.8) await this.#withLock(keeper, name, hold)
    else if (dice < 0.9) await this.#read(keeper, name)
    else if (dice < 0.94) await this.#twice(keeper, name)
    else if (dice < 0.97) await this.#holdAndLeave(keeper, name)
    else await this.#closeUnder(keeper, name)
  }

  async #holdAndRelease(
    keeper: Keeper,
    name: string | readonly string[],
    options: LockOptions,
    hold: () => Promise<void>,
  ): Promise<void> {
    const lock = await this.#lock(keeper, name, options)
    if (lock === null) return
    await hold()
    await this.#release(lock)
  }

  async #withLock(keeper: Keeper, name: string, hold: () => Promise<void>): Promise<void> {
    const label = this.#label()
    try {
      await keeper.withLock(name, { label }, async (lock) => {
        this.#granted(label, lock)
        await hold()
      })
      this.#note(label, 'done')
    } catch (error) {
      this.#failed(label, error)
    }
    this.ended.push(label)
  }

  /** Two releases, neither awaited before the other. */
  async #twice(keeper: Keeper, name: string): Promise<void> {
    const lock = await this.#lock(keeper, name, {})
    if (lock === null) return
    await Promise.all([this.#release(lock), this.#release(lock)])
  }

  /** Releases without waiting for it, and asks for the same again at once. */
  async #holdAndLeave(keeper: Keeper, name: string): Promise<void> {
    const lock = await this.#lock(keeper, name, {})
    if (lock === null) return
    void this.#release(lock)
    await this.#holdAndRelease(keeper, name, {}, async () => undefined)
  }

  /** The keeper is closed while others of its workers may hold or wait. */
  async #closeUnder(keeper: Keeper, name: string): Promise<void> {
    await this.#lock(keeper, name, { waitMs: this.#parts.holdMs })
    if (this.#keeper === keeper) this.#keeper = undefined
    await keeper.close()
    this.#note('keeper', 'closed')
  }

  async #lock(keeper: Keeper, name: string | readonly string[], options: LockOptions): Promise<Lock | null> {
    const label = this.#label()
    this.#note(label, `asks for ${name}`)
    try {
      const lock = await keeper.lock(name, { ...options, label })
      if (lock === null) {
        this.#note(label, 'not free')
        this.ended.push(label)
      } else this.#granted(label, lock)
      return lock
    } catch (error) {
      this.#failed(label, error)
      this.ended.push(label)
      return null
    }
  }

  #granted(label: string, lock: Lock): void {
    this.counts.granted++
    this.#note(label, `granted ${lock.token}`)
    this.#parts.checks.granted(this.process, label, lock)
    lock.onStateChange((state) => {
      if (state === 'lost') this.counts.lost++
      this.#note(label, state)
    })
    this.#labels.set(lock, label)
  }

  async #release(lock: Lock): Promise<void> {
    const label = this.#labels.get(lock)!
    try {
      const outcome = await lock.release()
      this.#note(label, `release: ${outcome}`)
      if (outcome === 'released') this.counts.released++
      this.#parts.checks.released(label, lock.token, outcome)
    } catch (error) {
      this.#failed(label, error)
    }
    this.ended.push(label)
  }

  async #read(keeper: Keeper, name: string): Promise<void> {
    const askedIndex = this.#parts.ledger.newestIndex
    try {
      const state = await keeper.get(name)
      this.counts.read++
      this.#note('read', `${name}: ${state.holders.map(({ token }) => token).join()} +${state.waiting}`)
      this.#parts.checks.read(askedIndex, state)
    } catch (error) {
      this.#failed('read', error)
    }
  }

  #several(): readonly string[] {
    const { random, names } = this.#parts
    return names.length === 1 ? names : [...new Set([random.pick(names), random.pick(names)])]
  }

  #withSignal(): LockOptions {
    const aborter = new AbortController()
    const { random, holdMs, process } = this.#parts
    process.clock.after(random.exponential(holdMs), () => aborter.abort(new Aborted()))
    return { signal: aborter.signal }
  }

  #failed(label: string, error: unknown): void {
    if (error instanceof Aborted) this.counts.aborted++
    else if (!(error instanceof LockkeeperError) || !EXPECTED.has(error.code)) return this.#mistake(error)
    else if (error.code === 'TIMEOUT') this.counts.timedOut++
    else if (error.code === 'NOT_CONNECTED') this.#askAround()
    this.#note(label, error instanceof LockkeeperError ? error.code : 'aborted')
  }

  /** All nodes that it was told of are gone, and so may be those that it heard of since: somebody starts it anew. */
  #askAround(): void {
    const now = this.#parts.addresses()
    if (!this.#told.some((address) => now.includes(address))) this.#startAnew()
  }

  #startAnew(): void {
    void this.#keeper?.close()
    this.#keeper = undefined
  }

  #mistake(error: unknown): void {
    this.#parts.history.broken('client: an error nobody should see', { client: this.process.name, error })
  }

  #label(): string {
    return `${this.process.name}-${++this.#calls}`
  }

  #note(what: string, outcome: string): void {
    this.#parts.history.note(this.process.name, `${what} ${outcome}`)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.process.clock.after(ms, resolve))
  }
}

class Aborted extends Error {}
