import { type Acquire, type Granted, Mode } from '../protocol/lockkeeper.js'
import { type ClaimOptions, toAcquire } from './asking.js'
import type { Core } from './core.js'
import { type Held, HeldClaim, type Holder } from './held.js'
import { heldOf } from './waiting.js'

export interface SemaphoreOptions {
  /** How many permits there are, the same for all who use the name. Another number is refused with `CONFLICT`. */
  readonly capacity: number
}

export interface PermitOptions extends ClaimOptions {
  /** How many to take, all or none; 1 by default. */
  readonly permits?: number
}

/** Permits that were granted to this program. */
export interface Permits extends Held {
  /**
   * Which places of the semaphore are its own: from 0 to capacity - 1, the lowest that were free, one to a permit. Nobody
   * else has the same place at the same time: it can stand for a shard, a port, a licence.
   */
  readonly seats: readonly number[]
}

/** So many at a time, in order of arrival: who asks for many is not passed by those who ask for few. */
export class Semaphore {
  readonly name: string
  readonly capacity: number
  readonly #core: Core

  constructor(core: Core, name: string, { capacity }: SemaphoreOptions) {
    this.#core = core
    this.name = name
    this.capacity = capacity
  }

  /** Waits for permits. Rejects as `keeper.lock()` does; no claim is then left behind. */
  acquire(options: PermitOptions & { readonly ifAvailable: true }): Promise<Permits | null>
  acquire(options?: PermitOptions & { readonly ifAvailable?: false }): Promise<Permits>
  acquire(options?: PermitOptions): Promise<Permits | null>
  async acquire(options: PermitOptions = {}): Promise<Permits | null> {
    const { permits = 1 } = options
    const ask = toAcquire(this.name, options, { mode: Mode.PERMITS, permits, capacity: this.capacity })
    return heldOf(await this.#core.acquire(HeldPermits, ask, options))
  }
}

class HeldPermits extends HeldClaim implements Permits {
  readonly seats: readonly number[]

  constructor(holder: Holder, ask: Acquire, granted: Granted) {
    super(holder, ask, granted)
    this.seats = granted.seats
  }
}
