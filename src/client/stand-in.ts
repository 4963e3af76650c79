import type { Session, Topology } from '../protocol/lockkeeper.js'
import { RefusedError } from './errors.js'
import { Lease } from './lease.js'
import type { Ports, Problem, Timer } from './ports.js'
import { isSessionOver } from './refusals.js'
import { Route } from './route.js'

/** The session that a stand-in keeps alive, and the lease that it shares with the session's owner. */
export interface Duty {
  readonly session: Session
  readonly addresses: readonly string[]
  /** Of the lease: see its constructor. */
  readonly sentMs: number
  readonly ttlMs: number
  readonly lostMarginMs: number | undefined
  readonly memory: SharedArrayBuffer
  /** How long it stands in for an owner whose event loop does not turn, in ms. */
  readonly maxStallMs: number
}

/** The owner's event loop turned at this moment of the clock, and this is what the owner knew of the cluster. */
export interface SignOfLife {
  readonly turnedMs: number
  readonly topology: Topology
}

/** An answer that comes later than this is not waited for: others have been asked by then. */
const CALL_MS_MAX = 5_000

/**
 * Keeps a session alive from another thread while the owner's event loop is blocked: it renews when the owner is late with it,
 * by unary calls, to one node after the other until one answers. For an owner that renews in time it does so only once, at the
 * beginning, and is ready when that was answered.
 *
 * It stands in for an owner that is busy, not for one that hangs: when the last sign of life is too old, it leaves the session
 * to its TTL.
 */
export class StandIn {
  readonly #clock: Ports['clock']
  readonly #connector: Ports['connector']
  readonly #duty: Duty
  readonly #onReady: () => void
  readonly #lease: Lease
  readonly #route: Route
  #turnedMs: number
  #askedMs = Number.NEGATIVE_INFINITY
  /** Has been asked, and has not said yes. */
  #besides: string | undefined
  #isReady = false
  #timer: Timer | undefined

  constructor({ clock, connector }: Pick<Ports, 'clock' | 'connector'>, duty: Duty, onReady: () => void) {
    this.#clock = clock
    this.#connector = connector
    this.#duty = duty
    this.#onReady = onReady
    this.#lease = new Lease(duty.sentMs, duty.ttlMs, duty.lostMarginMs, duty.memory)
    this.#route = new Route(duty.addresses)
    this.#turnedMs = duty.sentMs
    this.#turn()
  }

  heard({ turnedMs, topology }: SignOfLife): void {
    this.#turnedMs = turnedMs
    this.#route.learn(topology)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #turn(): void {
    const nowMs = this.#clock.nowMs()
    if (this.#lease.standing(nowMs) === 'lost') return
    const isHanging = nowMs - this.#turnedMs > this.#duty.maxStallMs
    if (nowMs >= this.#dueMs && !isHanging) void this.#renew(nowMs)
    const pauseMs = isHanging ? this.#lease.patienceMs : this.#dueMs - nowMs
    this.#timer = this.#clock.after(pauseMs, () => this.#turn())
  }

  /** The owner's own renewal would have been answered by then; and one more node is asked each time that none has answered. */
  get #dueMs(): number {
    const lateMs = this.#isReady ? this.#lease.renewAtMs : Number.NEGATIVE_INFINITY
    return Math.max(lateMs, this.#askedMs) + this.#lease.patienceMs
  }

  async #renew(nowMs: number): Promise<void> {
    this.#askedMs = nowMs
    const address = this.#route.next(this.#besides)
    this.#route.asking(address)
    this.#besides = address
    const timeoutMs = Math.min(CALL_MS_MAX, this.#duty.ttlMs)
    try {
      await this.#connector.call(address, 'keepAlive', { session: this.#duty.session }, timeoutMs)
      this.#besides = undefined
      this.#route.reached(address)
      this.#lease.renewed(nowMs, this.#clock.nowMs())
      if (!this.#isReady) this.#onReady()
      this.#isReady = true
    } catch (error) {
      this.#route.failed(address, error as Problem)
      if (error instanceof RefusedError && isSessionOver(error)) this.stop()
    }
  }
}
