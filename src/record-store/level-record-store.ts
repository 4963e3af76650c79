import { setTimeout as rest } from 'node:timers/promises'
import { assert, type LogStart } from '../../raft/index.js'
import type { Database } from '../leveldb/database.js'
import { failedDisk } from '../leveldb/errors.js'
import { checksumOf } from '../leveldb/seal.js'
import {
  DamagedRecordsError,
  type RecordChange,
  type RecordStore,
  type SnapshotSource,
  type StateRecord,
} from '../replica/ports.js'
import type { Checksums } from './checksums.js'
import { generationsIn, openRecords, removeOthers } from './directories.js'
import { CHECKPOINT_KEY, encodeCheckpoint, rowKey, sealRecord } from './format.js'
import { loadRecords } from './load.js'
import { LevelSnapshotSource } from './snapshot.js'
import { LevelStaging } from './staging.js'

/** Changes encoded at a time, a millisecond's work or two; then it rests, because the log's synced writes come first. */
const SLICE_CHANGES = 1_000
const REST_MS = 4

/** The checkpoints in a LevelDB of their own: a large one never holds up the log's synced writes. */
export class LevelRecordStore implements RecordStore {
  readonly #directory: string
  #generation: number
  #database: Database
  #start: LogStart | undefined
  /** Of what is on disk, once it has been loaded. */
  #checksums: Checksums | undefined
  #writing = false
  #failure: unknown

  private constructor(directory: string, generation: number, database: Database) {
    this.#directory = directory
    this.#generation = generation
    this.#database = database
  }

  /** Other generations than the one in force are removed. */
  static async open(directory: string, generation: number): Promise<LevelRecordStore> {
    await removeOthers(directory, generation)
    return new LevelRecordStore(directory, generation, await openRecords(directory, generation))
  }

  /** The newest of all generations whose checkpoint is whole; nothing is removed. Undefined if there is none. */
  static async openWhole(directory: string): Promise<LevelRecordStore | undefined> {
    let newest: LevelRecordStore | undefined
    for (const generation of await generationsIn(directory)) {
      const store = await LevelRecordStore.#openIfWhole(directory, generation)
      const isNewer = (store?.start()?.index ?? -1) > (newest?.start()?.index ?? -1)
      await (isNewer ? newest : store)?.close()
      if (isNewer) newest = store
    }
    return newest
  }

  static async #openIfWhole(directory: string, generation: number): Promise<LevelRecordStore | undefined> {
    let store: LevelRecordStore | undefined
    try {
      store = new LevelRecordStore(directory, generation, await openRecords(directory, generation))
      await store.load(() => {})
      return store
    } catch (error) {
      await store?.close()
      if (error instanceof DamagedRecordsError) return undefined
      throw error
    }
  }

  start(): LogStart | undefined {
    return this.#start
  }

  async load(take: (records: readonly StateRecord[]) => void): Promise<LogStart | undefined> {
    const { checkpoint, checksums } = await loadRecords(this.#database, take)
    this.#checksums = checksums
    this.#start = checkpoint?.start
    return this.#start
  }

  async write(start: LogStart, changes: readonly RecordChange[]): Promise<void> {
    assert(!this.#writing, 'one checkpoint at a time', { start })
    assert(start.index >= (this.#start?.index ?? 0), 'checkpoints never go back', {
      start,
      before: this.#start,
    })
    if (this.#failure !== undefined) throw failedDisk(this.#failure)
    this.#writing = true
    try {
      await this.#write(start, changes)
      this.#start = start
    } catch (error) {
      this.#failure = error
      throw failedDisk(error)
    } finally {
      this.#writing = false
    }
  }

  openSnapshot(): Promise<SnapshotSource> {
    return LevelSnapshotSource.open(this.#database)
  }

  openStaging(start: LogStart): Promise<LevelStaging> {
    return LevelStaging.open(this.#directory, this.#generation + 1, start)
  }

  /** The log names the generation of this staging now. What was here goes. */
  async adopt(staging: LevelStaging): Promise<void> {
    const { generation, start } = staging
    assert(!this.#writing, 'nothing is written while a snapshot is installed', { generation })
    const { database, checksums } = staging.handOver()
    await this.#database.close()
    this.#checksums = checksums
    this.#start = start
    this.#generation = generation
    this.#database = database
    await removeOthers(this.#directory, generation)
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  /** Encoded in slices: one call with all changes would hold up the event loop for seconds. */
  async #write(start: LogStart, changes: readonly RecordChange[]): Promise<void> {
    const checksums = this.#checksums
    assert(checksums !== undefined, 'the records are loaded before they are written', { start })
    const batch = this.#database.batch()
    let added = 0
    for (const { key, value } of changes) {
      if (value === undefined) {
        batch.del(rowKey(key))
        checksums.delete(key)
      } else {
        const sealed = sealRecord(key, value)
        batch.put(rowKey(key), sealed)
        checksums.set(key, checksumOf(sealed))
      }
      if (++added % SLICE_CHANGES === 0) await rest(REST_MS)
    }
    batch.put(CHECKPOINT_KEY, encodeCheckpoint({ start, totals: checksums.totals }))
    await batch.write({ sync: true })
  }
}
