import { AnySignal } from './any-signal.js'
import { type ArrivalOptions, assertSize, untilArrived } from './arrivals.js'
import type { Core } from './core.js'
import { Group, type Membership } from './group.js'

export interface EnterOptions extends ArrivalOptions {
  /** For people who look at the group: who this is. */
  readonly label?: string
}

/**
 * Nobody goes on until so many are there. Who crashes while it waits is not counted any more, so the others wait for another
 * in its place; who has gone on stays in it until it leaves or is lost, and lets those through who come until then.
 */
export class Barrier {
  readonly name: string
  readonly size: number
  readonly #core: Core

  /** @throws RefusedError `INVALID` unless `size` is a whole number from 1 on */
  constructor(core: Core, name: string, size: number) {
    assertSize('the size', size)
    this.#core = core
    this.name = name
    this.size = size
  }

  /**
   * Enters, and resolves when all are there, with what is to be left afterwards. Rejects as `CountDown.wait()` does, and with
   * a `LockLostError` if its place is lost meanwhile; it is then not in it.
   */
  async enter(data = '', options: EnterOptions = {}): Promise<Membership> {
    const { signal } = options
    const lost = new AbortController()
    using any = new AnySignal(lost.signal, signal)
    const over = any.signal
    let place: Membership | undefined
    const join = async (): Promise<void> => {
      const joined = await new Group(this.#core, this.name).join(data, { ...options, signal: over })
      joined.signal.addEventListener('abort', () => lost.abort(joined.signal.reason))
      place = joined
    }
    try {
      await untilArrived(this.#core, this.name, this.size, { ...options, signal: over }, join)
      place!.assertHeld()
      return place!
    } catch (error) {
      // The first error is the one to hear of. A release that fails as well is made good by the session's end.
      await place?.release().catch(() => undefined)
      throw error
    }
  }
}
