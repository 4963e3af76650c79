import { assert, InvariantError, type LogIndex, type LogStart, type Write } from '../../raft/index.js'
import type { Database } from '../leveldb/database.js'
import { failedDisk } from '../leveldb/errors.js'
import type { LogPosition, LogStore, RecoveredLog } from '../replica/ports.js'
import {
  damaged,
  encodeBase,
  encodeEntry,
  encodeHardState,
  HARD_STATE_KEY,
  type Head,
  LOG_PREFIX,
  LOG_START_KEY,
  type LogBase,
  logKey,
} from './format.js'
import { loadLog } from './load.js'
import { LogOutline } from './outline.js'
import { sealedUpTo } from './sealed.js'
import { Witness } from './witness.js'

type Batch = ReturnType<Database['batch']>

/** The log in LevelDB: one synced batch for each write. `load` comes before everything else. */
export class LevelLogStore implements LogStore {
  readonly #directory: string
  readonly #database: Database
  #witness: Witness | undefined
  /** What is on disk, once it has been loaded. */
  #outline: LogOutline | undefined
  #generation = 0
  #writes = 0
  #writing = false
  #compacting = false
  #failure: unknown

  constructor(directory: string, database: Database, witness: Witness | undefined) {
    this.#directory = directory
    this.#database = database
    this.#witness = witness
  }

  async load(): Promise<RecoveredLog> {
    const { hardState, start, entries, generation, head } = await loadLog(this.#database)
    await this.#hearWitness(head)
    this.#outline = new LogOutline(hardState, start, entries)
    this.#generation = generation
    this.#writes = head?.writes ?? 0
    return { hardState, start, entries }
  }

  async write(write: Write): Promise<void> {
    assert(!this.#writing, 'one write at a time', { id: write.id })
    await this.#batch((outline, batch) => {
      outline.apply(write, (entry, previousTerm) =>
        batch.put(logKey(entry.index), encodeEntry(entry, previousTerm)),
      )
    })
  }

  async compact(start: LogStart): Promise<void> {
    assert(!this.#compacting, 'one compaction at a time', { start })
    this.#compacting = true
    try {
      this.#mustWork().compact(start)
      const base = { generation: this.#generation, start }
      // LevelDB may keep an unsynced deletion and lose what was put before it: first the start, for good.
      await this.#guard(this.#database.put(LOG_START_KEY, encodeBase(base), { sync: true }))
      await this.#forgetUpTo(start.index)
    } finally {
      this.#compacting = false
    }
  }

  /**
   * As one synced batch: the log begins anew behind `start`, empty, and `records-<generation>` is in force. Not during a
   * write or a compaction.
   */
  async install({ generation, start }: LogBase & { readonly start: LogStart }): Promise<void> {
    assert(!this.#writing && !this.#compacting, 'nothing is written while a snapshot is installed', { start })
    await this.#batch((outline, batch) => {
      outline.restart(start)
      batch.put(LOG_START_KEY, encodeBase({ generation, start }))
    })
    this.#generation = generation
    await this.#forgetUpTo(start.index)
  }

  /** As `IntactParts.logUpTo`. */
  upTo(last: LogPosition): Promise<Uint8Array[]> {
    return sealedUpTo(this.#database, last)
  }

  async close(): Promise<void> {
    try {
      await this.#witness?.close()
    } finally {
      await this.#database.close()
    }
  }

  /** Rejects with a `DamagedLogError` if the witness knows of more than was found. */
  async #hearWitness(head: Head | undefined): Promise<void> {
    if (head === undefined) {
      // The first start since format 1, which had no witness.
      this.#witness ??= await Witness.create(this.#directory)
      return
    }
    if (this.#witness === undefined) throw damaged(HARD_STATE_KEY, "the file 'witness' beside it is gone")
    const { acknowledged } = this.#witness
    if (head.writes < acknowledged) {
      throw damaged(
        HARD_STATE_KEY,
        `this node has acknowledged write ${acknowledged}, and the newest one found is write ${head.writes}: what came after it is lost`,
      )
    }
  }

  /** One synced batch of what `change` does to the outline, and of what that makes the head. */
  async #batch(change: (outline: LogOutline, batch: Batch) => void): Promise<void> {
    const outline = this.#mustWork()
    this.#writing = true
    try {
      // Chained, because it takes half the time of an array of operations.
      const batch = this.#database.batch()
      const lastBefore = outline.lastIndex
      change(outline, batch)
      const { hardState, lastIndex, lastTerm } = outline
      for (let index = lastIndex + 1; index <= lastBefore; index++) batch.del(logKey(index))
      const writes = ++this.#writes
      batch.put(HARD_STATE_KEY, encodeHardState(hardState, { lastIndex, lastTerm, writes }))
      await this.#guard(Promise.all([batch.write({ sync: true }), this.#witness?.sync()]))
      this.#witness?.note(writes)
    } catch (error) {
      this.#failure ??= error
      throw error
    } finally {
      this.#writing = false
    }
  }

  /** Not synced: if it is lost, loading passes over what should be gone, and the next compaction takes it along. */
  #forgetUpTo(index: LogIndex): Promise<void> {
    return this.#guard(this.#database.clear({ gt: LOG_PREFIX, lte: logKey(index) }))
  }

  #mustWork(): LogOutline {
    if (this.#failure !== undefined)
      throw this.#failure instanceof InvariantError ? this.#failure : failedDisk(this.#failure)
    assert(this.#outline !== undefined, 'the log is loaded before it is written')
    return this.#outline
  }

  /** After a failure nothing is written any more. */
  async #guard(work: Promise<unknown>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#failure ??= error
      throw failedDisk(error)
    }
  }
}
