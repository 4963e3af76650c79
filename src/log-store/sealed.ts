import type { Database } from '../leveldb/database.js'
import { DamagedLogError, type LogPosition } from '../replica/ports.js'
import { decodeEntry, LOG_PREFIX, type LoggedEntry, logKey } from './format.js'

/** Of the entries that are had at a time, about. */
export const PART_BYTES = 256 * 1024
const ROWS_PER_READ = 256

/** An entry on its way to a peer is as it is on disk. Throws a `DamagedLogError` if the bytes are not that entry. */
export function openSealed(sealed: Uint8Array, { index, term }: LogPosition): LoggedEntry {
  const value = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length)
  const logged = decodeEntry(logKey(index), value)
  if (logged.entry.index === index && logged.entry.term === term) return logged
  throw new DamagedLogError(`entry ${index} of term ${term} was asked for, and another one is there`)
}

/** The place of the entry that this one was written behind. */
export function before({ entry, previousTerm }: LoggedEntry): LogPosition {
  return { index: entry.index - 1, term: previousTerm }
}

/** As `IntactParts.logUpTo`, of a log that is sound. */
export async function sealedUpTo(database: Database, last: LogPosition): Promise<Buffer[]> {
  const iterator = database.iterator({
    gt: LOG_PREFIX,
    lte: logKey(last.index),
    reverse: true,
    highWaterMarkBytes: PART_BYTES,
    fillCache: false,
  })
  try {
    const entries: Buffer[] = []
    let at = last
    for (let bytes = 0; bytes < PART_BYTES; ) {
      const rows = await iterator.nextv(ROWS_PER_READ)
      if (rows.length === 0) break
      for (const [key, sealed] of rows) {
        const logged = decodeEntry(key, sealed)
        if (key !== logKey(at.index) || logged.entry.term !== at.term) return entries
        entries.push(sealed)
        bytes += sealed.length
        at = before(logged)
      }
    }
    return entries
  } finally {
    await iterator.close()
  }
}
