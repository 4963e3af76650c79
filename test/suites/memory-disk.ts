import { assert, type Entry, type HardState, type LogStart, NOBODY, type Write } from '../../raft/index.js'
import { LogOutline } from '../../src/log-store/outline.js'
import { checkBelonging } from '../../src/node-disk/belonging.js'
import type {
  IdentityFacts,
  IdentityStore,
  LogStore,
  NodeDisk,
  RecoveredDisk,
  RecoveredLog,
  Staging,
  StateRecord,
} from '../../src/replica/ports.js'
import { type MemoryCheckpoint, MemoryRecordStore, MemoryStaging } from './memory-records.js'

/** What a sync is for. */
export type DiskChange = 'write' | 'compact' | 'checkpoint' | 'install'

export interface MemoryDiskOptions {
  /** Calls `done` when the disk has finished syncing; in the simulation, after a delay of its own choosing. */
  readonly sync: (done: () => void, what: DiskChange) => void
  /** Uniform in [0, 1), from the seed. */
  readonly random: () => number
  /** In each chunk of a snapshot, so that a small one is several chunks, too; otherwise as many as fit. */
  readonly rowsPerChunk?: number
}

/**
 * A disk that outlives the processes that use it. `open` gives the `NodeDisk` of the next process; a power cut is `crash`.
 * Changes are atomic, as LevelDB's are; a disk that loses or alters what was synced is another story.
 */
export class MemoryDisk {
  readonly #options: MemoryDiskOptions
  hardState: HardState = { term: 0, vote: NOBODY }
  start: LogStart | undefined
  entries: Entry[] = []
  checkpoint: MemoryCheckpoint | undefined
  facts: IdentityFacts = { disk: 1, accusers: [], wasMember: false, met: [], incarnation: 0 }
  /** What the living process has asked for and is not synced yet. */
  #unsynced = new Set<() => void>()
  #user: MemoryNodeDisk | undefined

  constructor(options: MemoryDiskOptions) {
    this.#options = options
  }

  get rowsPerChunk(): number {
    return this.#options.rowsPerChunk ?? Number.POSITIVE_INFINITY
  }

  open(): MemoryNodeDisk {
    assert(this.#user === undefined, 'a disk has one user at a time')
    this.#user = new MemoryNodeDisk(this)
    return this.#user
  }

  /** The process dies. Each change that was under way is on the disk whole, or not at all; it never settles. */
  crash(): void {
    const unsynced = this.#unsynced
    this.#unsynced = new Set()
    for (const change of unsynced) if (this.#options.random() < 0.5) change()
    this.#user = undefined
  }

  /** The process lets go of it. */
  release(): void {
    this.#user = undefined
  }

  /** Resolves when `change` is made and will survive a crash; never, and without effect, if the process is dead. */
  synced(what: DiskChange, change: () => void): Promise<void> {
    const unsynced = this.#unsynced
    if (this.#user === undefined) return new Promise(() => undefined)
    unsynced.add(change)
    return new Promise((resolve) =>
      this.#options.sync(() => {
        if (unsynced !== this.#unsynced) return
        unsynced.delete(change)
        change()
        resolve()
      }, what),
    )
  }

  /** The entry with this index stands here in `entries`. */
  positionOf(index: number): number {
    return index - (this.start?.index ?? 0) - 1
  }
}

/** One process's view of the disk. */
export class MemoryNodeDisk implements NodeDisk {
  readonly #disk: MemoryDisk
  readonly log: MemoryLogStore
  readonly records: MemoryRecordStore
  readonly identity: MemoryIdentity

  constructor(disk: MemoryDisk) {
    this.#disk = disk
    this.log = new MemoryLogStore(disk)
    this.records = new MemoryRecordStore(disk)
    this.identity = new MemoryIdentity(disk)
  }

  async load(take: (records: readonly StateRecord[]) => void): Promise<RecoveredDisk> {
    const recovered = await this.log.load()
    const checkpoint = await this.records.load(take)
    checkBelonging({ ...recovered, checkpoint })
    return { ...recovered, checkpoint }
  }

  async install(staging: Staging): Promise<void> {
    assert(staging instanceof MemoryStaging, 'a staging of this disk')
    assert(!this.records.isWriting, 'nothing else is under way while a snapshot is installed')
    const { start, rows } = staging.handOver()
    this.log.restart(start)
    await this.#disk.synced('install', () => {
      this.#disk.start = start
      this.#disk.entries = []
      this.#disk.checkpoint = { start, rows }
    })
    this.records.installed()
  }

  async close(): Promise<void> {
    this.#disk.release()
  }
}

class MemoryIdentity implements IdentityStore {
  readonly #disk: MemoryDisk
  facts: IdentityFacts

  constructor(disk: MemoryDisk) {
    this.#disk = disk
    this.facts = disk.facts
  }

  save(facts: IdentityFacts): Promise<void> {
    this.facts = facts
    return this.#disk.synced('write', () => {
      this.#disk.facts = facts
    })
  }
}

export class MemoryLogStore implements LogStore {
  readonly #disk: MemoryDisk
  #outline: LogOutline | undefined
  #writing = false

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  async load(): Promise<RecoveredLog> {
    const { hardState, start, entries } = this.#disk
    this.#outline = new LogOutline(hardState, start, entries)
    return { hardState, start, entries: [...entries] }
  }

  async write(write: Write): Promise<void> {
    assert(!this.#writing, 'one write at a time', { id: write.id })
    assert(this.#outline !== undefined, 'the log is loaded before it is written', { id: write.id })
    this.#outline.apply(write)
    this.#writing = true
    await this.#disk.synced('write', () => this.#apply(write))
    this.#writing = false
  }

  async compact(start: LogStart): Promise<void> {
    assert(this.#outline !== undefined, 'the log is loaded before it is compacted', { start })
    this.#outline.compact(start)
    await this.#disk.synced('compact', () => {
      this.#disk.entries = this.#disk.entries.slice(this.#disk.positionOf(start.index + 1))
      this.#disk.start = start
    })
  }

  restart(start: LogStart): void {
    assert(!this.#writing && this.#outline !== undefined, 'nothing is written meanwhile', { start })
    this.#outline.restart(start)
  }

  async close(): Promise<void> {
    this.#disk.release()
  }

  #apply({ hardState, truncateFrom, entries }: Write): void {
    const disk = this.#disk
    if (hardState !== undefined) disk.hardState = hardState
    if (truncateFrom !== undefined)
      disk.entries.length = Math.min(disk.entries.length, disk.positionOf(truncateFrom))
    for (const entry of entries) disk.entries.push(entry)
  }
}
