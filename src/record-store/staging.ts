import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, type LogStart } from '../../raft/index.js'
import type { Database } from '../leveldb/database.js'
import { failedDisk } from '../leveldb/errors.js'
import { DamagedRecordsError, type Staging, type StateRecord } from '../replica/ports.js'
import { ChunkReader } from './chunks.js'
import { openRecords, recordsName, syncFiles } from './directories.js'
import { CHECKPOINT_KEY, encodeCheckpoint, rowKey } from './format.js'
import { type LoadedRecords, loadRecords } from './load.js'

/** A snapshot on its way into `records-<generation>`, which no log names yet. */
export class LevelStaging implements Staging {
  readonly start: LogStart
  readonly generation: number
  readonly #directory: string
  #database: Database
  #loaded: LoadedRecords | undefined
  readonly #reader: ChunkReader
  /** Verified, on disk, and closed. */
  #isComplete = false
  #busy = false

  private constructor(directory: string, generation: number, start: LogStart, database: Database) {
    this.#directory = directory
    this.generation = generation
    this.start = start
    this.#database = database
    this.#reader = new ChunkReader(start)
  }

  static async open(directory: string, generation: number, start: LogStart): Promise<LevelStaging> {
    await rm(join(directory, recordsName(generation)), { recursive: true, force: true })
    return new LevelStaging(directory, generation, start, await openRecords(directory, generation))
  }

  /** Verified, on disk, and what it says is known. */
  get isLoaded(): boolean {
    return this.#loaded !== undefined
  }

  get next(): number | undefined {
    return this.#reader.next
  }

  async put(data: Uint8Array): Promise<void> {
    assert(!this.#busy && !this.#isComplete, 'one chunk at a time, until it is complete')
    const rows = this.#reader.read(data)
    if (rows === undefined) return
    this.#busy = true
    try {
      await this.#batch(rows.map(([key, sealed]) => ({ type: 'put', key: rowKey(key), value: sealed })))
      this.#reader.advance(rows)
    } finally {
      this.#busy = false
    }
  }

  async complete(): Promise<void> {
    const value = encodeCheckpoint({ start: this.start, totals: this.#reader.totals() })
    await this.#batch([{ type: 'put', key: CHECKPOINT_KEY, value }])
    await this.#database.close()
    await syncFiles(join(this.#directory, recordsName(this.generation)))
    this.#isComplete = true
  }

  async load(take: (records: readonly StateRecord[]) => void): Promise<void> {
    assert(this.#isComplete, 'it is complete before it is loaded')
    this.#database = await openRecords(this.#directory, this.generation)
    try {
      this.#loaded = await loadRecords(this.#database, take)
    } catch (error) {
      // It was whole when it was completed, and is not in force: nothing that this node promised is lost with it.
      if (!(error instanceof DamagedRecordsError)) throw error
      throw failedDisk(new Error('a snapshot is not read back as it was written', { cause: error }))
    }
  }

  /** Its database, open, and what is in it: for the store in which it comes into force. */
  handOver(): LoadedRecords & { readonly database: Database } {
    assert(this.#loaded !== undefined, 'it is loaded before it comes into force')
    return { ...this.#loaded, database: this.#database }
  }

  async abandon(): Promise<void> {
    await this.#database.close()
    await rm(join(this.#directory, recordsName(this.generation)), { recursive: true, force: true })
  }

  /** Not synced one by one: until it is complete, nobody believes a staging after a power cut. */
  async #batch(rows: { type: 'put'; key: string; value: Buffer }[]): Promise<void> {
    try {
      await this.#database.batch(rows)
    } catch (error) {
      throw failedDisk(error)
    }
  }
}
