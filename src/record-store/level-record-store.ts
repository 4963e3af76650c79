import { assert, type LogStart } from '../../raft/index.js'
import type { Database } from '../leveldb/database.js'
import { failedDisk } from '../leveldb/errors.js'

import {
  type CheckpointDraft,
  DamagedRecordsError,
  type RecordStore,
  type SnapshotSource,
  type StateRecord,
} from '../replica/ports.js'
import type { Checksums } from './checksums.js'
import { generationsIn, openRecords, removeOthers } from './directories.js'
import { LevelDraft } from './draft.js'

import { loadRecords } from './load.js'
import { LevelSnapshotSource } from './snapshot.js'
import { LevelStaging } from './staging.js'

/** The checkpoints in a LevelDB of their own: a large one never holds up the log's synced writes. */
export class LevelRecordStore implements RecordStore {
  readonly #directory: string
  #generation: number
  #database: Database
  #start: LogStart | undefined
  /** Of what is on disk, once it has been loaded. */
  #checksums: Checksums | undefined
  #draft: LevelDraft | undefined
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

  begin(start: LogStart): CheckpointDraft {
    if (this.#failure !== undefined) throw failedDisk(this.#failure)
    assert(this.#draft === undefined, 'one checkpoint at a time', { start })
    assert(start.index >= (this.#start?.index ?? 0), 'checkpoints never go back', {
      start,
      before: this.#start,
    })
    assert(this.#checksums !== undefined, 'the records are loaded before they are written', { start })
    const draft = new LevelDraft(this.#database, this.#checksums, start)
    this.#draft = draft
    return { put: (changes) => draft.put(changes), write: () => this.#write(draft) }
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
    this.#draft = undefined
    this.#start = start
    this.#generation = generation
    this.#database = database
    await removeOthers(this.#directory, generation)
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  async #write(draft: LevelDraft): Promise<void> {
    this.#writing = true
    try {
      await draft.write()
      this.#start = draft.start
      this.#draft = undefined
    } catch (error) {
      this.#failure = error
      throw failedDisk(error)
    } finally {
      this.#writing = false
    }
  }
}
