import type { Lease, Standing } from './lease.js'
import type { Clock, Timer } from './ports.js'

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
  #timer: Timer | undefined

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
  attached(sentMs: number, ttlMs: number): void {
    this.#attached = true
    this.#acknowledged(sentMs, ttlMs)
  }

  detached(): void {
    this.#attached = false
    this.#sentMs = undefined
    this.#arm()
  }

  /** The renewal in flight was acknowledged. */
  renewed(ttlMs: number): void {
    if (this.#sentMs !== undefined) this.#acknowledged(this.#sentMs, ttlMs)
  }

  /** The renewal in flight was refused for now, as when there is no leader. */
  postponed(): void {
    this.#sentMs = undefined
    this.#nextMs = this.#clock.nowMs() + this.#patienceMs
    this.#arm()
  }

  /** No more renewals; from now on the standing is `lost`. */
  stop(): void {
    this.#timer?.cancel()
    this.#attached = false
    this.#standing = 'lost'
  }

  #acknowledged(sentMs: number, ttlMs: number): void {
    this.#sentMs = undefined
    this.#lease.renewed(sentMs, ttlMs, this.#clock.nowMs())
    this.#nextMs = this.#lease.renewAtMs
    this.#turn()
  }

  #turn(): void {
    if (this.standing() === 'lost') return
    const nowMs = this.#clock.nowMs()
    if (this.#attached && nowMs >= this.#nextMs) {
      this.#nextMs = nowMs + this.#patienceMs
      if (this.#sentMs === undefined) this.#renew(nowMs)
      else this.#owner.unanswered()
    }
    this.#arm()
  }

  #renew(nowMs: number): void {
    this.#sentMs = nowMs
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
    const atMs = this.#attached ? Math.min(turningMs, this.#nextMs) : turningMs
    this.#timer = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => this.#turn())
  }

  /** An answer takes a disk write and a round trip; a change of leader takes about a second. */
  get #patienceMs(): number {
    return Math.min(1_000, Math.max(50, this.#lease.ttlMs / 10))
  }
}
