import { type Database, isUnreadable } from '../leveldb/database.js'
import { checksumOf } from '../leveldb/seal.js'
import type { StateRecord } from '../replica/ports.js'
import { Checksums } from './checksums.js'
import {
  CHECKPOINT_KEY,
  type Checkpoint,
  damaged,
  decodeCheckpoint,
  openRecord,
  RECORD_ROWS,
  recordKey,
} from './format.js'
import { areEqual } from './totals.js'

const READ_AHEAD_BYTES = 1024 * 1024
const ROWS_PER_READ = 1024

export interface LoadedRecords {
  readonly checkpoint: Checkpoint | undefined
  readonly checksums: Checksums
}

/**
 * Reads and checks all records, a batch in each turn of the event loop. Rejects with a `DamagedRecordsError` if one was
 * altered, or if they are not the ones that the checkpoint counted.
 */
export async function loadRecords(
  database: Database,
  take: (records: readonly StateRecord[]) => void,
): Promise<LoadedRecords> {
  try {
    const row = await database.get(CHECKPOINT_KEY)
    const checkpoint = row === undefined ? undefined : decodeCheckpoint(row)
    const checksums = await readAll(database, take)
    check(checkpoint, checksums)
    return { checkpoint, checksums }
  } catch (error) {
    throw isUnreadable(error) ? damaged(CHECKPOINT_KEY, 'LevelDB can not read on', { cause: error }) : error
  }
}

async function readAll(
  database: Database,
  take: (records: readonly StateRecord[]) => void,
): Promise<Checksums> {
  const checksums = new Checksums()
  const iterator = database.iterator({
    ...RECORD_ROWS,
    highWaterMarkBytes: READ_AHEAD_BYTES,
    fillCache: false,
  })
  try {
    for (;;) {
      const rows = await iterator.nextv(ROWS_PER_READ)
      if (rows.length === 0) return checksums
      take(
        rows.map(([row, sealed]) => {
          const record = openRecord(recordKey(row), sealed)
          checksums.set(record.key, checksumOf(sealed))
          return record
        }),
      )
    }
  } finally {
    await iterator.close()
  }
}

function check(checkpoint: Checkpoint | undefined, checksums: Checksums): void {
  const found = checksums.totals
  if (checkpoint === undefined) {
    if (found.count > 0) throw damaged(CHECKPOINT_KEY, `it is missing, and there are ${found.count} records`)
    return
  }
  const { totals, start } = checkpoint
  if (areEqual(totals, found)) return
  throw damaged(
    CHECKPOINT_KEY,
    `the checkpoint of entry ${start.index} has ${totals.count} records with sum ${totals.sum}, and ${found.count} with sum ${found.sum} were found: some are lost, too old or too many`,
  )
}
