import type { Acquire, Claim } from '../protocol/lockkeeper.js'
import type { HandleClass, HeldClaim, Operation } from './held.js'
import type { Clock } from './ports.js'
import type { Line } from './reads.js'
import type { Outcome, WaitOptions } from './waiting.js'
import type { Sighting, WatchOptions } from './watch.js'

/** What every primitive is made of. A keeper is this for all of its own. */
export interface Core {
  readonly clock: Clock
  /** At least 0, less than 1. */
  readonly random: () => number
  /** By the session that lives, or a new one. @throws KeeperClosedError */
  acquire<H extends HeldClaim>(
    Handle: HandleClass<H>,
    ask: Acquire,
    waiting: Omit<WaitOptions, 'waitMs'>,
  ): Promise<Outcome<H>>
  /** Of no claim; resolves with how many it concerned. @throws KeeperClosedError */
  perform(operation: Operation): Promise<number>
  claims(name: string, line: Line): AsyncGenerator<Claim, void, undefined>
  watch(name: string, options: WatchOptions): AsyncGenerator<Sighting, void, undefined>
}
