import { assert, type LogStart } from '../../raft/index.js'
import { type Database, isUnreadable } from '../leveldb/database.js'
import type { SnapshotChunk, SnapshotSource } from '../replica/ports.js'
import { CHUNK_BYTES_MAX, ChunkBuilder, lastChunk } from './chunks.js'
import {
  CHECKPOINT_KEY,
  type Checkpoint,
  damaged,
  decodeCheckpoint,
  openRecord,
  RECORD_ROWS,
  recordKey,
} from './format.js'

const ROWS_PER_READ = 512

type View = ReturnType<Database['snapshot']>
type RowIterator = ReturnType<typeof rowsAfter>

/** Reads from a LevelDB snapshot: checkpoints written meanwhile are not seen. */
export class LevelSnapshotSource implements SnapshotSource {
  readonly #database: Database
  readonly #view: View
  readonly #checkpoint: Checkpoint
  /** Of each chunk given so far, and of the next one: the row it comes after. A chunk is the same each time. */
  readonly #after: string[] = [RECORD_ROWS.gt]
  #iterator: RowIterator | undefined
  /** Which chunk the iterator and the rows ahead stand before. */
  #position = 0
  #ahead: [string, Buffer][] = []
  #busy = false

  constructor(database: Database, view: View, checkpoint: Checkpoint) {
    this.#database = database
    this.#view = view
    this.#checkpoint = checkpoint
  }

  static async open(database: Database): Promise<LevelSnapshotSource> {
    const view = database.snapshot()
    try {
      const row = await database.get(CHECKPOINT_KEY, { snapshot: view })
      if (row === undefined) throw damaged(CHECKPOINT_KEY, 'it is missing')
      return new LevelSnapshotSource(database, view, decodeCheckpoint(row))
    } catch (error) {
      await view.close()
      throw asDamage(error)
    }
  }

  get start(): LogStart {
    return this.#checkpoint.start
  }

  async chunk(sequence: number): Promise<SnapshotChunk> {
    assert(!this.#busy, 'one chunk at a time', { sequence })
    const after = this.#after[sequence]
    assert(after !== undefined, 'chunks are had in order', { sequence, next: this.#after.length - 1 })
    this.#busy = true
    try {
      if (sequence !== this.#position || this.#iterator === undefined) await this.#seek(sequence, after)
      return await this.#read(this.#iterator!, sequence)
    } catch (error) {
      throw asDamage(error)
    } finally {
      this.#busy = false
    }
  }

  async close(): Promise<void> {
    await this.#iterator?.close()
    await this.#view.close()
  }

  async #seek(sequence: number, after: string): Promise<void> {
    await this.#iterator?.close()
    this.#iterator = rowsAfter(this.#database, this.#view, after)
    this.#ahead = []
    this.#position = sequence
  }

  async #read(iterator: RowIterator, sequence: number): Promise<SnapshotChunk> {
    const builder = new ChunkBuilder()
    let after: string | undefined
    for (;;) {
      if (this.#ahead.length === 0) this.#ahead = await iterator.nextv(ROWS_PER_READ)
      const taken = fill(builder, this.#ahead)
      after = this.#ahead[taken - 1]?.[0] ?? after
      const isFull = taken < this.#ahead.length
      const isEnd = this.#ahead.length === 0
      this.#ahead = this.#ahead.slice(taken)
      if (isFull || isEnd) break
    }
    if (after === undefined) return lastChunk(this.start, sequence, this.#checkpoint.totals)
    this.#after[sequence + 1] = after
    this.#position = sequence + 1
    return builder.finish(this.start, sequence)
  }
}

/** How many of the rows went into the chunk; nothing damaged is sent on. */
function fill(builder: ChunkBuilder, rows: readonly [string, Buffer][]): number {
  let taken = 0
  for (const [row, sealed] of rows) {
    const { key } = openRecord(recordKey(row), sealed)
    if (!builder.add([key, sealed])) break
    taken++
  }
  return taken
}

function rowsAfter(database: Database, snapshot: View, after: string) {
  const { lt } = RECORD_ROWS
  return database.iterator({ gt: after, lt, snapshot, highWaterMarkBytes: CHUNK_BYTES_MAX, fillCache: false })
}

function asDamage(error: unknown): unknown {
  return isUnreadable(error) ? damaged(CHECKPOINT_KEY, 'LevelDB can not read on', { cause: error }) : error
}
