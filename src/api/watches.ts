import { checkName } from '../machine/language/validate.js'
import { CHANGES_SINCE } from '../machine/roster/feature-level.js'
import type * as wire from '../protocol/lockkeeper.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { CALLER_LEFT, Refusal } from './refusal.js'
import type { StateReads } from './state-reads.js'
import { Watch } from './watch.js'

/** Lets clients watch names, each until somebody ends it. */
export class Watches {
  readonly #door: Door
  readonly #reads: StateReads

  constructor(door: Door, reads: StateReads) {
    this.#door = door
    this.#reads = reads
  }

  /** Each part is made when `put` has taken the one before. Never resolves; rejects with a `Refusal`, which is the end. */
  async send(
    { name, afterRevision }: wire.WatchRequest,
    caller: Caller,
    put: (part: wire.WatchPart) => Promise<void>,
  ): Promise<never> {
    const problem = checkName(name)
    if (problem !== undefined) throw new Refusal(problem.code, problem.message)
    await this.#reads.confirm(caller)
    this.#check(afterRevision)
    return await new Promise<never>((_, reject) => {
      const end = (error: unknown): void => {
        leave()
        watch.stop()
        reject(error)
      }
      const leave = this.#door.enter(end)
      caller.onGone(() => end(CALLER_LEFT))
      const watch = new Watch(this.#door.parts, name, afterRevision, put, end)
    })
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
