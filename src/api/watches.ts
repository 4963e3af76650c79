import { checkName } from '../machine/language/validate.js'
import { CHANGES_SINCE } from '../machine/roster/feature-level.js'
import type * as wire from '../protocol/lockkeeper.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { CALLER_LEFT, Refusal } from './refusal.js'
import type { StateReads } from './state-reads.js'
import { Watch } from './watch.js'
import { WatchedName } from './watched-name.js'

/** Lets clients watch names, each until somebody ends it. */
export class Watches {
  readonly #door: Door
  readonly #reads: StateReads
  readonly #names = new Map<string, WatchedName>()

  constructor(door: Door, reads: StateReads) {
    this.#door = door
    this.#reads = reads
  }

  /** Each part, encoded, is made when `put` has taken the one before. Never resolves; rejects with a `Refusal`, which is the end. */
  async send(
    { name, afterRevision }: wire.WatchRequest,
    caller: Caller,
    put: (part: Buffer) => Promise<void>,
  ): Promise<never> {
    const problem = checkName(name)
    if (problem !== undefined) throw new Refusal(problem.code, problem.message)
    await this.#reads.confirm(caller)
    this.#check(afterRevision)
    return await new Promise<never>((_, reject) => {
      const end = (error: unknown): void => {
        leave()
        watch.stop()
        if (!watched.isWatched) this.#forget(name, watched)
        reject(error)
      }
      const leave = this.#door.enter(end)
      caller.onGone(() => end(CALLER_LEFT))
      const watched = this.#watched(name)
      const watch = new Watch(this.#door.parts, watched, afterRevision, put, end)
    })
  }

  #watched(name: string): WatchedName {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const watched = new WatchedName(this.#door.parts, name)
    this.#names.set(name, watched)
    return watched
  }

  #forget(name: string, watched: WatchedName): void {
    watched.stop()
    if (this.#names.get(name) === watched) this.#names.delete(name)
  }

  #check(afterRevision: number | undefined): void {
    const { level, revision } = this.#door.parts.replica.machine
    if (level < CHANGES_SINCE) {
      const message = `the cluster is on feature level ${level}, and watching takes ${CHANGES_SINCE}: upgrade all nodes`
      throw new Refusal('UNSUPPORTED', message)
    }
    if (afterRevision !== undefined && afterRevision > revision) {
      const message = `revision ${afterRevision} is yet to come: the newest is ${revision}; begin anew, with the state`
      throw new Refusal('INVALID', message)
    }
  }
}
