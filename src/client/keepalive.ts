import type { Lease, Standing } from './lease.js'
import type { Clock, Timer } from './ports.js'

/**
 * How long a node may owe an answer and say nothing before it is asked for a sign of life, in ms. Who waits in a queue is
 * rightly told nothing, so each such question doubles the time until the next: a long wait costs the log a few of them.
 */
const QUIET_FIRST_MS = 250

/** Who sends the renewals and hears about their absence. */
export interface KeepAliveOwner {
  /** Sends one, if a node is attached. */
  sendRenewal(): void
  /** The attached node owes an answer for too long; another may do better. */
  unanswered(): void
  /** The standing is another than it was. `lost` is the last. */
  changed(standing: Standing): void
}

/**
 * Keeps a lease renewed, with one timer: a renewal each third of the TTL, one in flight at a time. A renewal that was
 * under way when its stream broke counts for nothing; the hello to the next node is a renewal itself.
 *
 * A renewal is also the sign of life to ask for when a request stays unanswered: any node that serves answers it at once,
 * and one that is frozen, cut off, or has no leader with a majority does not.
 */
export class KeepAlive {
  readonly #clock: Clock
  readonly #lease: Lease
  readonly #owner: KeepAliveOwner
  #standing: Standing = 'held'
  #attached = false
  /** When the renewal in flight was sent. */
  #sentMs: number | undefined
  /** When to send the next one, or to complain about the one in flight. */
  #nextMs = 0
  /** Since when the node has owed an answer and said nothing. */
  #quietSinceMs: number | undefined
  #quietMsMax = QUIET_FIRST_MS
  #timer: Timer | undefined
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock, lease: Lease, owner: KeepAliveOwner) {
    this.#clock = clock
    this.#lease = lease
    this.#owner = owner
  }

  /** The standing at this very moment, by the clock; if it changed, the owner has been told when this returns. */
  standing(): Standing {
    if (this.#standing === 'lost') return 'lost'
    const standing = this.#lease.standing(this.#clock.nowMs())
    if (standing !== this.#standing) this.#change(standing)
    return standing
  }

  /** A node said Welcome to what was sent at `sentMs`. */
  attached(sentMs: number): void {
    this.#attached = true
    this.#acknowledged(sentMs)
  }

  detached(): void {
    this.#attached = false
    this.#sentMs = undefined
    this.#quietSinceMs = undefined
    this.#arm()
  }

  /** A request has been sent to the attached node. */
  asked(): void {
    if (!this.#attached || (this.#quietSinceMs !== undefined && this.#quietMsMax === QUIET_FIRST_MS)) return
    this.#quietFrom(this.#clock.nowMs())
  }

  /** Requests have been answered; `owes`: others have not. */
  answered(owes: boolean): void {
    this.#quietFrom(owes ? this.#clock.nowMs() : undefined)
  }

  /** The renewal in flight was acknowledged. */
  renewed(): void {
    if (this.#sentMs !== undefined) this.#acknowledged(this.#sentMs)
  }

  /** The renewal in flight was refused for now, as when there is no leader. */
  postponed(): void {
    this.#sentMs = undefined
    this.#nextMs = this.#clock.nowMs() + this.#lease.patienceMs
    this.#arm()
  }

  /** No more renewals; from now on the standing is `lost`. */
  stop(): void {
    this.#timer?.cancel()
    this.#attached = false
    this.#standing = 'lost'
  }

  #quietFrom(sinceMs: number | undefined): void {
    this.#quietSinceMs = sinceMs
    this.#quietMsMax = QUIET_FIRST_MS
    // Not each time: a timer that finds nothing due sets itself anew.
    if (this.#attached && this.#dueMs < this.#timerAtMs) this.#arm()
  }

  #acknowledged(sentMs: number): void {
    this.#sentMs = undefined
    if (this.#quietSinceMs !== undefined) this.#quietSinceMs = this.#clock.nowMs()
    this.#lease.renewed(sentMs, this.#clock.nowMs())
    this.#nextMs = this.#lease.renewAtMs
    this.#turn()
  }

  #turn(): void {
    if (this.standing() === 'lost') return
    const nowMs = this.#clock.nowMs()
    if (this.#attached && nowMs >= this.#dueMs) {
      this.#nextMs = nowMs + this.#lease.patienceMs
      if (this.#sentMs === undefined) this.#renew(nowMs)
      else this.#owner.unanswered()
    }
    this.#arm()
  }

  #renew(nowMs: number): void {
    this.#sentMs = nowMs
    if (this.#quietSinceMs !== undefined) this.#quietMsMax *= 2
    this.#owner.sendRenewal()
  }

  #change(standing: Standing): void {
    if (standing === 'lost') this.stop()
    this.#standing = standing
    this.#owner.changed(standing)
  }

  #arm(): void {
    this.#timer?.cancel()
    if (this.#standing === 'lost') return
    const { unsureAtMs, deadlineMs } = this.#lease
    const turningMs = this.#standing === 'held' ? unsureAtMs : deadlineMs
    this.#timerAtMs = this.#attached ? Math.min(turningMs, this.#dueMs) : turningMs
    this.#timer = this.#clock.after(Math.max(0, this.#timerAtMs - this.#clock.nowMs()), () => this.#turn())
  }

  /** When to ask for a renewal; while one is in flight, when to complain. */
  get #dueMs(): number {
    if (this.#sentMs !== undefined || this.#quietSinceMs === undefined) return this.#nextMs
    return Math.min(this.#nextMs, this.#quietSinceMs + this.#quietMsMax)
  }
}
