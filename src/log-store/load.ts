import type { Entry, HardState, LogIndex, Term } from '../../raft/index.js'
import { type Database, isUnreadable } from '../leveldb/database.js'
import type { RecoveredLog } from '../replica/ports.js'
import {
  damaged,
  decodeBase,
  decodeEntry,
  decodeHardState,
  FIRST_BASE,
  HARD_STATE_KEY,
  type Head,
  IDENTITY_KEY,
  LOG_PREFIX,
  LOG_START_KEY,
  logKey,
} from './format.js'

const READ_AHEAD_BYTES = 4 * 1024 * 1024
const ROWS_PER_READ = 4096

export interface LoadedLog extends RecoveredLog {
  readonly generation: number
  /** Undefined if it was written in format 1. */
  readonly head: Head | undefined
}

/**
 * Reads the whole database in one pass and checks all of it: LevelDB opens without complaint although entries are
 * missing from the middle. Throws a `DamagedLogError`; never returns part of a log.
 */
export async function loadLog(database: Database): Promise<LoadedLog> {
  const reader = new LogReader()
  const iterator = database.iterator({ highWaterMarkBytes: READ_AHEAD_BYTES, fillCache: false })
  try {
    for (;;) {
      const rows = await iterator.nextv(ROWS_PER_READ)
      if (rows.length === 0) return reader.finish()
      for (const [key, value] of rows) reader.take(key, value)
    }
  } catch (error) {
    throw isUnreadable(error) ? damaged(reader.nextKey, 'LevelDB can not read on', { cause: error }) : error
  } finally {
    await iterator.close()
  }
}

/** Takes the rows in the order of their keys: what the entries are checked against comes before them. */
class LogReader {
  #hardState: HardState | undefined
  #head: Head | undefined
  #base = FIRST_BASE
  readonly #entries: Entry[] = []
  #lastIndex: LogIndex = 0
  #lastTerm: Term = 0

  /** The log key that must come next, if one comes. */
  get nextKey(): string {
    return logKey(this.#lastIndex + 1)
  }

  take(key: string, value: Buffer): void {
    if (key === HARD_STATE_KEY) this.#takeHardState(value)
    else if (key === LOG_START_KEY) this.#takeBase(value)
    else if (key === this.nextKey) this.#takeEntry(key, value)
    else if (key !== IDENTITY_KEY && !this.#isForgotten(key))
      throw damaged(this.nextKey, `'${key}' was found in its place`)
  }

  finish(): LoadedLog {
    const hardState = this.#hardState
    if (hardState === undefined) throw damaged(HARD_STATE_KEY, 'it is missing')
    if (hardState.term < this.#lastTerm) {
      throw damaged(
        HARD_STATE_KEY,
        `term ${hardState.term}, but the log has entries of term ${this.#lastTerm}`,
      )
    }
    this.#checkHead()
    return { hardState, head: this.#head, ...this.#base, entries: this.#entries }
  }

  #takeHardState(value: Buffer): void {
    const { hardState, head } = decodeHardState(value)
    this.#hardState = hardState
    this.#head = head
  }

  #takeBase(value: Buffer): void {
    this.#base = decodeBase(value)
    this.#lastIndex = this.#base.start?.index ?? 0
    this.#lastTerm = this.#base.start?.term ?? 0
  }

  #takeEntry(key: string, value: Buffer): void {
    const { entry, previousTerm } = decodeEntry(key, value)
    if (entry.index !== this.#lastIndex + 1) throw damaged(key, `it holds entry ${entry.index}`)
    if (previousTerm !== this.#lastTerm) {
      throw damaged(
        key,
        `it was written behind an entry of term ${previousTerm}, and now stands behind one of term ${this.#lastTerm}`,
      )
    }
    if (entry.term < previousTerm) throw damaged(key, `term ${entry.term} stands behind term ${previousTerm}`)
    this.#entries.push(entry)
    this.#lastIndex = entry.index
    this.#lastTerm = entry.term
  }

  /** A compaction was interrupted after it had moved the start; the next one takes the rest along. */
  #isForgotten(key: string): boolean {
    const start = this.#base.start
    return start !== undefined && key.startsWith(LOG_PREFIX) && key <= logKey(start.index)
  }

  #checkHead(): void {
    const head = this.#head
    if (head === undefined) return
    if (head.lastIndex !== this.#lastIndex || head.lastTerm !== this.#lastTerm) {
      throw damaged(
        this.nextKey,
        `the log should end with entry ${head.lastIndex} of term ${head.lastTerm}, and ends with entry ${this.#lastIndex} of term ${this.#lastTerm}`,
      )
    }
  }
}
