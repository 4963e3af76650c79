import {
  assert,
  type Entry,
  type HardState,
  InvariantError,
  type LogIndex,
  type Term,
  type Write,
} from '../../raft/index.js'
import type { LogStore, RecoveredLog } from '../replica/ports.js'
import type { Database } from './database.js'
import { FailedDiskError } from './errors.js'
import { encodeEntry, encodeHardState, HARD_STATE_KEY, logKey } from './format.js'
import { loadLog } from './load.js'
import { LogOutline } from './outline.js'

type Operation = { type: 'put'; key: string; value: Buffer } | { type: 'del'; key: string }

/** The log in LevelDB: one synced batch for each write. `load` comes before the first `write`. */
export class LevelLogStore implements LogStore {
  readonly #database: Database
  /** What is on disk, once it has been loaded. */
  #outline: LogOutline | undefined
  #writing = false
  #failure: unknown

  constructor(database: Database) {
    this.#database = database
  }

  async load(): Promise<RecoveredLog> {
    const recovered = await loadLog(this.#database)
    this.#outline = new LogOutline(recovered.hardState, recovered.entries)
    return recovered
  }

  async write(write: Write): Promise<void> {
    assert(!this.#writing, 'one write at a time', { id: write.id })
    if (this.#failure !== undefined) throw failedDisk(this.#failure)
    this.#writing = true
    try {
      await this.#database.batch(this.#operations(write), { sync: true })
    } catch (error) {
      this.#failure = error
      throw error instanceof InvariantError ? error : failedDisk(error)
    } finally {
      this.#writing = false
    }
  }

  close(): Promise<void> {
    return this.#database.close()
  }

  #operations(write: Write): Operation[] {
    const outline = this.#outline
    assert(outline !== undefined, 'the log is loaded before it is written', { id: write.id })
    const lastBefore = outline.lastIndex
    const operations: Operation[] = []
    if (write.hardState !== undefined) operations.push(putHardState(write.hardState))
    outline.apply(write, (entry, previousTerm) => operations.push(putEntry(entry, previousTerm)))
    return operations.concat(deletions(outline.lastIndex, lastBefore))
  }
}

function putHardState(hardState: HardState): Operation {
  return { type: 'put', key: HARD_STATE_KEY, value: encodeHardState(hardState) }
}

function putEntry(entry: Entry, previousTerm: Term): Operation {
  return { type: 'put', key: logKey(entry.index), value: encodeEntry(entry, previousTerm) }
}

/** What was truncated and not put anew. */
function deletions(lastIndex: LogIndex, lastBefore: LogIndex): Operation[] {
  const operations: Operation[] = []
  for (let index = lastIndex + 1; index <= lastBefore; index++)
    operations.push({ type: 'del', key: logKey(index) })
  return operations
}

function failedDisk(cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FailedDiskError(
    `the disk failed (${reason}), and what was being written may or may not be there: stop this node, check disk and free space, start it again`,
    { cause },
  )
}
