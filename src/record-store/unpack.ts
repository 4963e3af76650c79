import type { StateRecord } from '../replica/ports.js'
import { ChunkReader, type SnapshotName } from './chunks.js'
import { openRecord } from './format.js'

/** The records of a snapshot, from its chunks in their order. Throws a `DamagedSnapshotError` unless all of it is there. */
export class SnapshotUnpacker {
  readonly #reader: ChunkReader

  constructor(start: SnapshotName) {
    this.#reader = new ChunkReader(start)
  }

  /** Those of the next chunk; none of any other. */
  take(chunk: Uint8Array): readonly StateRecord[] {
    const rows = this.#reader.read(chunk)
    if (rows === undefined) return []
    this.#reader.advance(rows)
    return rows.map(([key, sealed]) => openRecord(key, sealed))
  }

  /** All chunks have been taken. */
  finish(): void {
    this.#reader.totals()
  }
}
