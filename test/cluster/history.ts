import type { Keeper, LockOptions } from '../../src/client/index.js'

/** One passage through a lock, as who went through it saw it. Times are of one monotonic clock, in ms. */
export interface Passage {
  /** Which request this is: unique, and its label in the queue. */
  readonly id: string
  readonly name: string
  /** `lock()` was called. */
  readonly askedMs: number
  /** By then it stood in the queue: somebody else saw it there. */
  queuedMs?: number
  /** The handle was there, with its token. */
  grantedMs?: number
  token?: number
  /** The handle stopped to say that it is held: `release()` was called, or it was lost. */
  endedMs?: number
  /** The release was acknowledged. Without it the lock became free at some time after `endedMs`, if ever. */
  freedMs?: number
  /** What went wrong, if anything did. */
  failure?: string
}

/** The book of all passages. */
export class History {
  readonly #passages: Passage[] = []
  readonly #byId = new Map<string, Passage>()

  get passages(): readonly Passage[] {
    return this.#passages
  }

  /** Those which did not go as a client may expect. */
  get failures(): readonly Passage[] {
    return this.#passages.filter(({ failure }) => failure !== undefined)
  }

  /** Takes the lock, does `work` under it, and releases it, writing down each step. Never rejects. */
  async pass(
    keeper: Keeper,
    name: string,
    work: (passage: Passage) => Promise<void>,
    options: LockOptions = {},
  ): Promise<Passage> {
    const id = `${this.#passages.length + 1}`
    const passage: Passage = { id, name, askedMs: performance.now() }
    this.#passages.push(passage)
    this.#byId.set(id, passage)
    try {
      const lock = await keeper.lock(name, { ...options, label: id, ifAvailable: false })
      passage.grantedMs = performance.now()
      passage.token = lock.token
      lock.signal.addEventListener('abort', () => {
        passage.endedMs ??= performance.now()
      })
      await work(passage)
      passage.endedMs ??= performance.now()
      const outcome = await lock.release()
      if (outcome === 'released') passage.freedMs = performance.now()
      else passage.failure = 'the lock was lost'
    } catch (error) {
      passage.failure = String(error)
    }
    return passage
  }

  /** Whoever looks at the queues writes down whom they saw waiting. */
  async watchQueues(watcher: Keeper, prefix: string): Promise<void> {
    for await (const { waiters } of watcher.list(prefix)) {
      for (const { label } of waiters) {
        const passage = this.#byId.get(label)
        if (passage !== undefined) passage.queuedMs ??= performance.now()
      }
    }
  }
}
