import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c, unmasked } from './crc32c.js'
import { GAP } from './log-file.js'
import { liveTables } from './manifest.js'
import { Varints } from './varints.js'

/**
 * LevelDB checksums the blocks of its tables, and checks none of them when it merges tables: an altered block gets a
 * good checksum in the new table, or ends the process by a failed assertion. So they are checked before it is opened.
 *
 * A table is blocks, each with a trailer, then the footer. The index block has the handle (offset, size) of every data
 * block, the metaindex block those of the others. (doc/table_format.md of LevelDB)
 */
const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
/** Kind of compression, checksum. */
const TRAILER_BYTES = 5
const UNCOMPRESSED = 0
const KEY_TRAILER_BYTES = 8
const PUT = 1

interface Handle {
  readonly offset: number
  readonly size: number
}

/** What is wrong with a table of the database at `location`; undefined if nothing is. Takes a turn for each table. */
export async function faultInTables(location: string): Promise<string | undefined> {
  for (const number of (await liveTables(location)).keys()) {
    const name = tableName(number)
    const fault = await faultInFile(join(location, name))
    if (fault !== undefined) return `table ${name}: ${fault}`
  }
  return undefined
}

export function tableName(number: number): string {
  return `${String(number).padStart(6, '0')}.ldb`
}

async function faultInFile(path: string): Promise<string | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    // LevelDB knows which files it can't do without.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return faultIn(bytes)
  } catch (error) {
    if (error instanceof RangeError) return 'it points beyond its end'
    throw error
  }
}

function faultIn(table: Buffer): string | undefined {
  const footerAt = table.length - FOOTER_BYTES
  if (footerAt < 0 || !table.subarray(-MAGIC.length).equals(MAGIC)) return 'it has no footer'
  const footer = new Varints(table.subarray(footerAt))
  for (const directory of [handleIn(footer), handleIn(footer)]) {
    const found = faultInBlock(table, directory) ?? faultInBlocksOf(table, directory)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * The rows of a table, those of its good blocks, deleted ones left out; a gap where its first rows are, or all, can't be
 * read. Bytes that are no table are one gap.
 */
export function* rowsOfTable(table: Buffer): Generator<readonly [key: string, value: Buffer] | typeof GAP> {
  const blocks = dataBlocksOf(table)
  if (blocks === undefined) yield GAP
  for (const [k, { offset, size }] of (blocks ?? []).entries()) {
    if (isReadable(table, { offset, size })) yield* valuesIn(table.subarray(offset, offset + size))
    else if (k === 0) yield GAP
  }
}

/** Undefined if there is no telling. */
function dataBlocksOf(table: Buffer): Handle[] | undefined {
  const footerAt = table.length - FOOTER_BYTES
  if (footerAt < 0) return undefined
  try {
    const footer = new Varints(table.subarray(footerAt))
    handleIn(footer)
    const index = handleIn(footer)
    if (!isReadable(table, index)) return undefined
    return handlesIn(table.subarray(index.offset, index.offset + index.size))
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function isReadable(table: Buffer, handle: Handle): boolean {
  const { offset, size } = handle
  const isInside = offset + size + TRAILER_BYTES <= table.length
  return isInside && faultInBlock(table, handle) === undefined && table[offset + size] === UNCOMPRESSED
}

/** A key ends with 64 bits, little-endian, of which the lowest eight say whether it is there or deleted. */
function* valuesIn(block: Buffer): Generator<readonly [key: string, value: Buffer]> {
  for (const [key, value] of rowsIn(block)) {
    const end = key.length - KEY_TRAILER_BYTES
    if (key[end] === PUT) yield [key.toString('utf8', 0, end), value]
  }
}

/** Of the blocks that a block of handles names. Tables written before compression was turned off keep that for themselves. */
function faultInBlocksOf(table: Buffer, { offset, size }: Handle): string | undefined {
  if (table[offset + size] !== UNCOMPRESSED) return undefined
  for (const handle of handlesIn(table.subarray(offset, offset + size))) {
    const found = faultInBlock(table, handle)
    if (found !== undefined) return found
  }
  return undefined
}

function faultInBlock(table: Buffer, { offset, size }: Handle): string | undefined {
  const stored = unmasked(table.readUInt32LE(offset + size + 1))
  if (crc32c(table.subarray(offset, offset + size + TRAILER_BYTES - 4)) === stored) return undefined
  return `the checksum of the block at byte ${offset} does not match`
}

function handlesIn(block: Buffer): Handle[] {
  return [...rowsIn(block)].map(([, value]) => handleIn(new Varints(value)))
}

/** Rows (shared bytes of the key, other bytes of the key, bytes of the value, key, value), then restart points. */
function* rowsIn(block: Buffer): Generator<readonly [key: Buffer, value: Buffer]> {
  const restarts = block.readUInt32LE(block.length - 4)
  const rows = new Varints(block.subarray(0, block.length - 4 * (restarts + 1)))
  let key = Buffer.alloc(0)
  while (!rows.isAtEnd) {
    const shared = rows.next()
    const keyBytes = rows.next()
    const valueBytes = rows.next()
    key = Buffer.concat([key.subarray(0, shared), rows.take(keyBytes)])
    yield [key, rows.take(valueBytes)]
  }
}

function handleIn(varints: Varints): Handle {
  return { offset: varints.next(), size: varints.next() }
}
