import { assert, type Entry, type HardState, NOBODY, type Write } from '../../raft/index.js'
import { LogOutline } from '../../src/log-store/outline.js'
import type { LogStore, RecoveredLog } from '../../src/replica/ports.js'

export interface MemoryDiskOptions {
  /** Calls `done` when the disk has finished syncing; in the simulation, after a delay of its own choosing. */
  readonly sync: (done: () => void) => void
  /** Uniform in [0, 1), from the seed. */
  readonly random: () => number
}

/**
 * A disk that outlives the processes that use it. `open` gives the store of the next process; a power cut is `crash`.
 * Writes are atomic, as LevelDB's are; a disk that loses or alters what was synced is another story.
 */
export class MemoryDisk {
  readonly options: MemoryDiskOptions
  hardState: HardState = { term: 0, vote: NOBODY }
  entries: Entry[] = []
  #store: MemoryLogStore | undefined

  constructor(options: MemoryDiskOptions) {
    this.options = options
  }

  open(): MemoryLogStore {
    assert(this.#store === undefined || this.#store.closed, 'a disk has one user at a time')
    this.#store = new MemoryLogStore(this)
    return this.#store
  }

  /** The process dies. A write that was under way is on the disk whole, or not at all; it never settles. */
  crash(): void {
    const unsynced = this.#store?.abandon()
    if (unsynced !== undefined && this.options.random() < 0.5) this.apply(unsynced)
  }

  apply(write: Write): void {
    if (write.hardState !== undefined) this.hardState = write.hardState
    if (write.truncateFrom !== undefined)
      this.entries.length = Math.min(this.entries.length, write.truncateFrom - 1)
    for (const entry of write.entries) this.entries.push(entry)
  }
}

export class MemoryLogStore implements LogStore {
  readonly #disk: MemoryDisk
  #outline: LogOutline | undefined
  #writing: Write | undefined
  #closed = false

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  get closed(): boolean {
    return this.#closed
  }

  async load(): Promise<RecoveredLog> {
    const { hardState, entries } = this.#disk
    this.#outline = new LogOutline(hardState, entries)
    return { hardState, entries: [...entries] }
  }

  async write(write: Write): Promise<void> {
    assert(this.#writing === undefined, 'one write at a time', { id: write.id })
    assert(this.#outline !== undefined, 'the log is loaded before it is written', { id: write.id })
    if (this.#closed) throw new Error('the store is closed')
    this.#outline.apply(write)
    this.#writing = write
    await new Promise<void>((resolve) => this.#disk.options.sync(() => this.#synced(resolve)))
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** What was not yet synced. Nothing that this store was asked for happens any more. */
  abandon(): Write | undefined {
    const unsynced = this.#writing
    this.#writing = undefined
    this.#closed = true
    return unsynced
  }

  #synced(resolve: () => void): void {
    if (this.#writing === undefined) return
    this.#disk.apply(this.#writing)
    this.#writing = undefined
    resolve()
  }
}
