import type { Entry, HardState, Term } from '../../raft/index.js'
import type { RecoveredLog } from '../replica/ports.js'
import type { Database } from './database.js'
import { damaged, decodeEntry, decodeHardState, HARD_STATE_KEY, IDENTITY_KEY, logKey } from './format.js'

const READ_AHEAD_BYTES = 4 * 1024 * 1024
const ROWS_PER_READ = 4096

/**
 * Reads the whole database in one pass and checks all of it: LevelDB opens without complaint although entries are
 * missing from the middle. Throws a `DamagedLogError`; never returns part of a log.
 */
export async function loadLog(database: Database): Promise<RecoveredLog> {
  const reader = new LogReader()
  const iterator = database.iterator({ highWaterMarkBytes: READ_AHEAD_BYTES, fillCache: false })
  try {
    for (;;) {
      const rows = await iterator.nextv(ROWS_PER_READ)
      if (rows.length === 0) return reader.finish()
      for (const [key, value] of rows) reader.take(key, value)
    }
  } catch (error) {
    throw isCorruption(error) ? damaged(reader.nextKey, 'LevelDB can not read on', { cause: error }) : error
  } finally {
    await iterator.close()
  }
}

/** Takes the rows in the order of their keys. */
class LogReader {
  #hardState: HardState | undefined
  readonly #entries: Entry[] = []
  #lastTerm: Term = 0

  /** The log key that must come next, if one comes. */
  get nextKey(): string {
    return logKey(this.#entries.length + 1)
  }

  take(key: string, value: Buffer): void {
    if (key === HARD_STATE_KEY) this.#hardState = decodeHardState(value)
    else if (key === this.nextKey) this.#takeEntry(key, value)
    else if (key !== IDENTITY_KEY) throw damaged(this.nextKey, `'${key}' was found in its place`)
  }

  finish(): RecoveredLog {
    const hardState = this.#hardState
    if (hardState === undefined) throw damaged(HARD_STATE_KEY, 'it is missing')
    if (hardState.term < this.#lastTerm) {
      throw damaged(
        HARD_STATE_KEY,
        `term ${hardState.term}, but the log has entries of term ${this.#lastTerm}`,
      )
    }
    return { hardState, entries: this.#entries }
  }

  #takeEntry(key: string, value: Buffer): void {
    const { entry, previousTerm } = decodeEntry(key, value)
    if (entry.index !== this.#entries.length + 1) throw damaged(key, `it holds entry ${entry.index}`)
    if (previousTerm !== this.#lastTerm) {
      throw damaged(
        key,
        `it was written behind an entry of term ${previousTerm}, and now stands behind one of term ${this.#lastTerm}`,
      )
    }
    if (entry.term < previousTerm) throw damaged(key, `term ${entry.term} stands behind term ${previousTerm}`)
    this.#entries.push(entry)
    this.#lastTerm = entry.term
  }
}

function isCorruption(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'LEVEL_CORRUPTION'
}
