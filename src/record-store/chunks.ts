import type { LogStart } from '../../raft/index.js'
import { checksumOf, faultOf, SEAL_BYTES, seal } from '../leveldb/seal.js'
import { DamagedSnapshotError, type SnapshotChunk } from '../replica/ports.js'
import { areEqual, NO_RECORDS, plus, type Totals } from './totals.js'

/**
 * A snapshot on the wire: chunks of rows, then one with the totals. Each is sealed by what snapshot it is of.
 *
 *     sequence: 48 bits, last: 8 bits, then rows, or the totals: 2 × 48 bits
 *     row: bytes of the key: 32 bits, bytes of the value: 32 bits, key, sealed value
 */
export const CHUNK_BYTES_MAX = 256 * 1024
const NUMBER_BYTES = 6
const HEADER_BYTES = SEAL_BYTES + NUMBER_BYTES + 1
const ROW_HEADER_BYTES = 8
const LAST_BYTES = HEADER_BYTES + 2 * NUMBER_BYTES

/** What each chunk is sealed by. */
export type SnapshotName = Pick<LogStart, 'index' | 'term'>

/** A record's key, and its value as sealed on the sender's disk. */
export type Row = readonly [key: string, sealed: Buffer]

/** Gathers rows until a chunk is full. */
export class ChunkBuilder {
  readonly #rows: Row[] = []
  #bytes = HEADER_BYTES

  get isEmpty(): boolean {
    return this.#rows.length === 0
  }

  /** False, and not taken, if the chunk has no room for it; the first row always fits. */
  add([key, sealed]: Row): boolean {
    const bytes = ROW_HEADER_BYTES + Buffer.byteLength(key) + sealed.length
    if (!this.isEmpty && this.#bytes + bytes > CHUNK_BYTES_MAX) return false
    this.#rows.push([key, sealed])
    this.#bytes += bytes
    return true
  }

  finish(start: LogStart, sequence: number): SnapshotChunk {
    const data = chunkOf(sequence, false, this.#bytes)
    let at = HEADER_BYTES
    for (const [key, sealed] of this.#rows) {
      const keyBytes = data.write(key, at + ROW_HEADER_BYTES)
      data.writeUInt32BE(sealed.length, data.writeUInt32BE(keyBytes, at))
      at += ROW_HEADER_BYTES + keyBytes
      data.set(sealed, at)
      at += sealed.length
    }
    return { sequence, isLast: false, data: seal(nameOf(start), data) }
  }
}

export function lastChunk(start: LogStart, sequence: number, { count, sum }: Totals): SnapshotChunk {
  const data = chunkOf(sequence, true, LAST_BYTES)
  data.writeUIntBE(sum, data.writeUIntBE(count, HEADER_BYTES, NUMBER_BYTES), NUMBER_BYTES)
  return { sequence, isLast: true, data: seal(nameOf(start), data) }
}

/** Takes the chunks of one snapshot in order, and adds up what came. */
export class ChunkReader {
  readonly #start: SnapshotName
  #next: number | undefined = 0
  #received = NO_RECORDS
  #promised: Totals | undefined

  constructor(start: SnapshotName) {
    this.#start = start
  }

  /** The chunk that is wanted; undefined when all of them are here. */
  get next(): number | undefined {
    return this.#next
  }

  /** The rows of the chunk; none if it is the last, undefined if it is not the next. Throws a `DamagedSnapshotError`. */
  read(chunk: Uint8Array): readonly Row[] | undefined {
    const data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    const fault = faultOf(nameOf(this.#start), data, HEADER_BYTES)
    if (fault !== undefined) throw damaged(this.#start, `chunk ${this.#next}: ${fault}; send it again`)
    if (data.readUIntBE(SEAL_BYTES, NUMBER_BYTES) !== this.#next) return undefined
    return data[HEADER_BYTES - 1] === 1 ? this.#readTotals(data) : this.#readRows(data)
  }

  /** To be called when what `read` gave is safe. */
  advance(rows: readonly Row[]): void {
    for (const [, sealed] of rows) this.#received = plus(this.#received, checksumOf(sealed))
    this.#next = this.#promised === undefined ? this.#next! + 1 : undefined
  }

  /** Of the whole snapshot. Throws a `DamagedSnapshotError` if they are not what the sender promised. */
  totals(): Totals {
    const { count, sum } = this.#received
    const promised = this.#promised
    if (promised === undefined) throw damaged(this.#start, `chunk ${this.#next} has not come yet`)
    if (areEqual(promised, this.#received)) return promised
    throw damaged(
      this.#start,
      `${promised.count} records with sum ${promised.sum} were promised, and ${count} with sum ${sum} came: the sender's checkpoint may be damaged, check that node`,
    )
  }

  #readTotals(data: Buffer): readonly Row[] {
    const count = data.readUIntBE(HEADER_BYTES, NUMBER_BYTES)
    this.#promised = { count, sum: data.readUIntBE(HEADER_BYTES + NUMBER_BYTES, NUMBER_BYTES) }
    return []
  }

  #readRows(data: Buffer): readonly Row[] {
    const rows: Row[] = []
    for (let at = HEADER_BYTES; at < data.length; ) {
      const keyAt = at + ROW_HEADER_BYTES
      const valueAt = keyAt + data.readUInt32BE(at)
      at = valueAt + data.readUInt32BE(at + 4)
      const key = data.toString('utf8', keyAt, valueAt)
      const sealed = data.subarray(valueAt, at)
      const fault = faultOf(key, sealed, SEAL_BYTES)
      if (fault !== undefined) throw damaged(this.#start, `record '${key}': ${fault}; check the sending node`)
      rows.push([key, sealed])
    }
    return rows
  }
}

function chunkOf(sequence: number, isLast: boolean, bytes: number): Buffer {
  const data = Buffer.allocUnsafe(bytes)
  data[data.writeUIntBE(sequence, SEAL_BYTES, NUMBER_BYTES)] = isLast ? 1 : 0
  return data
}

function nameOf({ index, term }: SnapshotName): string {
  return `snapshot ${index}/${term}`
}

function damaged({ index, term }: SnapshotName, what: string): DamagedSnapshotError {
  return new DamagedSnapshotError(
    `the snapshot of entry ${index} of term ${term} is not as it was sent: ${what}`,
  )
}
