import { type ArrivalOptions, assertSize, untilArrived } from './arrivals.js'
import type { Core } from './core.js'
import { Group, type JoinOptions, type Membership } from './group.js'

/**
 * Waits until so many have arrived. An arrival counts as long as its session lives and until it is released: who crashes
 * before the count is complete is not counted any more, and another must arrive in its place. Whoever waits at a moment at
 * which all are there goes on, whatever becomes of them afterwards; who begins to wait later finds those who are still there.
 */
export class CountDown {
  readonly name: string
  readonly count: number
  readonly #core: Core

  /** @throws RefusedError `INVALID` unless `count` is a whole number from 1 on */
  constructor(core: Core, name: string, count: number) {
    assertSize('the count', count)
    this.#core = core
    this.name = name
    this.count = count
  }

  /** Counts from now on, until it is released or lost. */
  arrive(data = '', options: JoinOptions = {}): Promise<Membership> {
    return new Group(this.#core, this.name).join(data, options)
  }

  /**
   * Resolves when all have arrived. Rejects with a `LockTimeoutError` after `waitMs`; with the reason of `signal`; with a
   * `RefusedError` `CONFLICT` if changes were missed, among which that moment may have been; else as `keeper.watch()` does.
   */
  wait(options: ArrivalOptions = {}): Promise<void> {
    return untilArrived(this.#core, this.name, this.count, options)
  }
}
