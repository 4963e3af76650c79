import type { Outgoing, Write } from '../../raft/index.js'
import type { LogStore } from './ports.js'

/**
 * The single writer. One synced batch is in flight at a time; what comes meanwhile is merged into the next one, which is
 * all there is of group commit. Messages that vouch for a write are held until it is on disk (thesis §3.8, §10.2.1).
 */
export class DiskQueue {
  readonly #store: LogStore
  readonly #handlers: DiskHandlers
  #next: Write | undefined
  #writing = false
  #failed = false
  #newest = 0
  #durable = 0
  #held: { after: number; messages: readonly Outgoing[] }[] = []
  #awaitingIdle: (() => void)[] = []

  constructor(store: LogStore, handlers: DiskHandlers) {
    this.#store = store
    this.#handlers = handlers
  }

  get busy(): boolean {
    return this.#writing
  }

  /** Resolves when all that was pushed is on disk, or will never be. */
  idle(): Promise<void> {
    if (!this.#writing || this.#failed) return Promise.resolve()
    return new Promise((resolve) => this.#awaitingIdle.push(resolve))
  }

  /** Takes one step's write, if any, and the messages that must wait for it and for all before it. */
  push(write: Write | undefined, thenSend: readonly Outgoing[]): void {
    if (write !== undefined) {
      this.#next = this.#next === undefined ? write : merge(this.#next, write)
      this.#newest = write.id
    }
    if (thenSend.length > 0) {
      if (this.#durable >= this.#newest) this.#handlers.send(thenSend)
      else this.#held.push({ after: this.#newest, messages: thenSend })
    }
    this.#start()
  }

  #start(): void {
    const write = this.#next
    if (this.#writing || write === undefined) return
    this.#next = undefined
    this.#writing = true
    this.#store.write(write).then(
      () => this.#done(write.id),
      (error: unknown) => {
        this.#failed = true
        this.#handlers.failed(error)
        this.#tellIdle()
      },
    )
  }

  #done(id: number): void {
    this.#writing = false
    this.#durable = id
    let released = 0
    for (const { after, messages } of this.#held) {
      if (after > id) break
      this.#handlers.send(messages)
      released++
    }
    this.#held = this.#held.slice(released)
    this.#handlers.written(id)
    this.#start()
    if (!this.#writing) this.#tellIdle()
  }

  #tellIdle(): void {
    const waiting = this.#awaitingIdle
    this.#awaitingIdle = []
    for (const resolve of waiting) resolve()
  }
}

export interface DiskHandlers {
  readonly send: (messages: readonly Outgoing[]) => void
  readonly written: (id: number) => void
  readonly failed: (error: unknown) => void
}

/** `earlier` then `later`, as one write: what `later` truncates of `earlier` is never written. */
export function merge(earlier: Write, later: Write): Write {
  const cut = later.truncateFrom
  const kept = cut === undefined ? earlier.entries : earlier.entries.filter((entry) => entry.index < cut)
  return {
    id: later.id,
    hardState: later.hardState ?? earlier.hardState,
    truncateFrom: lesser(earlier.truncateFrom, cut),
    entries: kept.length === 0 ? later.entries : [...kept, ...later.entries],
  }
}

function lesser(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b
  return b === undefined ? a : Math.min(a, b)
}
