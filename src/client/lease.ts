/** How sure a holder may be at this moment that what it holds is still its own. */
export type Standing = 'held' | 'unsure' | 'lost'

/**
 * What a client knows of its session's TTL by its own monotonic clock (P6). The cluster starts the TTL anew when it
 * commits a renewal, which cannot be before the renewal was sent: so a deadline counted from the moment of sending is
 * never later than the cluster's, whatever the network did in between. (Gray & Cheriton 1989, "Leases", §2.)
 *
 *     sent            + ttl/3            + 2 ttl/3        + ttl - margin     + ttl
 *     |---- held ------|- renewal due ----|---- unsure -----|---- lost --------|-- earliest expiry in the cluster
 *
 * The margin pays for what may separate the two clocks and the holder's reaction: rates that differ (real oscillators
 * by 0.02 %; the default forgives 5 %), a timer's lateness, and one turn of the event loop.
 *
 * Its moment of sending lies in memory that threads can share: a lease made of the same numbers and the same memory in
 * another thread is the same lease, whoever renews it.
 */
export class Lease {
  readonly ttlMs: number
  readonly #marginMs: number
  /** When the newest acknowledged renewal was sent, in whole µs: a number that is read and written in one piece. */
  readonly #sentUs: BigInt64Array

  /**
   * @param marginMs of the user's choice; by default 5 % of the TTL and at least 50 ms. Never above a third of the TTL,
   * and never below what P6 needs: the cluster counts whole milliseconds, and clocks differ.
   * @param memory that of the same lease in another thread
   */
  constructor(
    sentMs: number,
    ttlMs: number,
    marginMs: number | undefined,
    readonly memory = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT),
  ) {
    this.ttlMs = ttlMs
    const leastMs = 1 + ttlMs * 0.001
    this.#marginMs = Math.min(Math.max(leastMs, marginMs ?? Math.max(50, ttlMs * 0.05)), ttlMs / 3)
    this.#sentUs = new BigInt64Array(memory)
    Atomics.compareExchange(this.#sentUs, 0, 0n, toUs(sentMs))
  }

  /** Asks the clock, not a timer that may be late. */
  standing(nowMs: number): Standing {
    if (nowMs >= this.deadlineMs) return 'lost'
    return nowMs < this.unsureAtMs ? 'held' : 'unsure'
  }

  /**
   * A renewal sent at `sentMs` was acknowledged. An acknowledgement that comes after the deadline changes nothing: the
   * holder may have been told already that all is lost, and once lost is always lost.
   */
  renewed(sentMs: number, nowMs: number): void {
    const knownUs = Atomics.load(this.#sentUs, 0)
    const sentUs = toUs(sentMs)
    if (sentUs <= knownUs || this.standing(nowMs) === 'lost') return
    // If another thread was faster, its renewal may be the newer one.
    if (Atomics.compareExchange(this.#sentUs, 0, knownUs, sentUs) !== knownUs) this.renewed(sentMs, nowMs)
  }

  get renewAtMs(): number {
    return this.#sentMs + this.ttlMs / 3
  }

  get unsureAtMs(): number {
    return this.#sentMs + (this.ttlMs * 2) / 3
  }

  get deadlineMs(): number {
    return this.#sentMs + this.ttlMs - this.#marginMs
  }

  /**
   * How long a renewal may stay unanswered before another node is asked. An answer takes a disk write and a round trip, and
   * looking for another node meanwhile interrupts nothing.
   */
  get patienceMs(): number {
    return Math.min(500, Math.max(50, this.ttlMs / 10))
  }

  get #sentMs(): number {
    return Number(Atomics.load(this.#sentUs, 0)) / 1_000
  }
}

/** Rounds down: to have been sent earlier is safe. */
function toUs(ms: number): bigint {
  return BigInt(Math.floor(ms * 1_000))
}
