import type { LogStart } from '../../raft/index.js'
import type { Database } from '../leveldb/database.js'
import { checksumOf } from '../leveldb/seal.js'
import type { CheckpointDraft, RecordChange } from '../replica/ports.js'
import type { Checksums } from './checksums.js'
import { CHECKPOINT_KEY, encodeCheckpoint, rowKey, sealRecord } from './format.js'

/**
 * What was put is kept by LevelDB, outside the heap: a hundred thousand records that wait for their end would otherwise be
 * moved about by the garbage collector, and their buffers make it look for more.
 */
export class LevelDraft implements CheckpointDraft {
  readonly start: LogStart
  readonly #batch: ReturnType<Database['batch']>
  readonly #checksums: Checksums

  /** `checksums` are those of the newest checkpoint, and become those of this one. */
  constructor(database: Database, checksums: Checksums, start: LogStart) {
    this.start = start
    this.#batch = database.batch()
    this.#checksums = checksums
  }

  put(changes: readonly RecordChange[]): void {
    for (const { key, value } of changes) {
      if (value === undefined) {
        this.#batch.del(rowKey(key))
        this.#checksums.delete(key)
      } else {
        const sealed = sealRecord(key, value)
        this.#batch.put(rowKey(key), sealed)
        this.#checksums.set(key, checksumOf(sealed))
      }
    }
  }

  async write(): Promise<void> {
    this.#batch.put(CHECKPOINT_KEY, encodeCheckpoint({ start: this.start, totals: this.#checksums.totals }))
    await this.#batch.write({ sync: true })
  }
}
