import { assert, type LogStart } from '../../raft/index.js'
import { checksumOf } from '../../src/leveldb/seal.js'
import { ChunkBuilder, ChunkReader, lastChunk, type Row } from '../../src/record-store/chunks.js'
import { openRecord, sealRecord } from '../../src/record-store/format.js'
import { NO_RECORDS, plus } from '../../src/record-store/totals.js'
import type {
  CheckpointDraft,
  RecordStore,
  SnapshotChunk,
  SnapshotSource,
  Staging,
  StateRecord,
} from '../../src/replica/ports.js'
import type { MemoryDisk } from './memory-disk.js'

export interface MemoryCheckpoint {
  readonly start: LogStart
  /** Sealed values by key. */
  readonly rows: ReadonlyMap<string, Buffer>
}

export function recordsOf({ rows }: MemoryCheckpoint): StateRecord[] {
  return [...rows].map(([key, sealed]) => openRecord(key, sealed))
}

/** The records of one process's view of a memory disk. */
export class MemoryRecordStore implements RecordStore {
  readonly #disk: MemoryDisk
  #draft: CheckpointDraft | undefined
  #writing = false

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  get isWriting(): boolean {
    return this.#writing
  }

  start(): LogStart | undefined {
    return this.#disk.checkpoint?.start
  }

  async load(take: (records: readonly StateRecord[]) => void): Promise<LogStart | undefined> {
    const { checkpoint } = this.#disk
    if (checkpoint !== undefined) take(recordsOf(checkpoint))
    return checkpoint?.start
  }

  begin(start: LogStart): CheckpointDraft {
    assert(this.#draft === undefined, 'one checkpoint at a time', { start })
    assert(start.index >= (this.start()?.index ?? 0), 'checkpoints never go back', {
      start,
      before: this.start(),
    })
    const rows = new Map(this.#disk.checkpoint?.rows)
    const draft: CheckpointDraft = {
      put: (changes) => {
        assert(this.#draft === draft, 'a checkpoint that a snapshot took the place of is over', { start })
        for (const { key, value } of changes) {
          if (value === undefined) rows.delete(key)
          else rows.set(key, sealRecord(key, value))
        }
      },
      write: async () => {
        this.#writing = true
        await this.#disk.synced('checkpoint', () => {
          this.#disk.checkpoint = { start, rows }
        })
        this.#writing = false
        this.#draft = undefined
      },
    }
    this.#draft = draft
    return draft
  }

  /** A peer's snapshot is in place of what was begun. */
  installed(): void {
    this.#draft = undefined
  }

  async openSnapshot(): Promise<MemorySnapshotSource> {
    const { checkpoint } = this.#disk
    assert(checkpoint !== undefined, 'there is a checkpoint')
    return new MemorySnapshotSource(checkpoint, this.#disk.rowsPerChunk)
  }

  async openStaging(start: LogStart): Promise<MemoryStaging> {
    return new MemoryStaging(start)
  }
}

class MemorySnapshotSource implements SnapshotSource {
  readonly start: LogStart
  readonly #chunks: SnapshotChunk[] = []
  /** How many were given, as in LevelDB, where a chunk begins where the one before it ended. */
  #given = 0

  constructor({ start, rows }: MemoryCheckpoint, rowsPerChunk: number) {
    this.start = start
    let builder = new ChunkBuilder()
    let room = rowsPerChunk
    let totals = NO_RECORDS
    for (const row of rows) {
      if (room === 0 || !builder.add(row)) {
        this.#chunks.push(builder.finish(start, this.#chunks.length))
        builder = new ChunkBuilder()
        builder.add(row)
        room = rowsPerChunk
      }
      room--
      totals = plus(totals, checksumOf(row[1]))
    }
    if (!builder.isEmpty) this.#chunks.push(builder.finish(start, this.#chunks.length))
    this.#chunks.push(lastChunk(start, this.#chunks.length, totals))
  }

  async chunk(sequence: number): Promise<SnapshotChunk> {
    const chunk = this.#chunks[sequence]
    assert(chunk !== undefined && sequence <= this.#given, 'chunks are had in order', { sequence })
    this.#given = Math.max(this.#given, sequence + 1)
    return chunk
  }

  async close(): Promise<void> {}
}

export class MemoryStaging implements Staging {
  readonly start: LogStart
  readonly #reader: ChunkReader
  readonly #rows: Row[] = []
  #isComplete = false
  #isLoaded = false

  constructor(start: LogStart) {
    this.start = start
    this.#reader = new ChunkReader(start)
  }

  get next(): number | undefined {
    return this.#reader.next
  }

  async put(data: Uint8Array): Promise<void> {
    const rows = this.#reader.read(data)
    if (rows === undefined) return
    this.#rows.push(...rows)
    this.#reader.advance(rows)
  }

  async complete(): Promise<void> {
    this.#reader.totals()
    this.#isComplete = true
  }

  async load(take: (records: readonly StateRecord[]) => void): Promise<void> {
    take(recordsOf(this.completed()))
    this.#isLoaded = true
  }

  async abandon(): Promise<void> {}

  /** For the disk on which it comes into force. */
  handOver(): MemoryCheckpoint {
    assert(this.#isLoaded, 'it is loaded before it comes into force')
    return this.completed()
  }

  private completed(): MemoryCheckpoint {
    assert(this.#isComplete, 'a completed staging')
    return { start: this.start, rows: new Map(this.#rows) }
  }
}
