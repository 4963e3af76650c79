import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Varints } from './varints.js'

/** The manifest is a log of edits, in blocks of records: checksum (32 bits), length (16 bits), type. (doc/log_format.md) */
const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const FIRST_PARTS = 2
const LAST_PARTS = [1, 4]

const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLog: 9,
} as const

/**
 * Numbers of the tables that belong to the database. A crash leaves unfinished ones beside them, which LevelDB removes. None
 * if the manifest can't be read: that LevelDB does notice by itself.
 */
export async function liveTables(location: string): Promise<ReadonlySet<number>> {
  const live = new Set<number>()
  try {
    const name = (await readFile(join(location, 'CURRENT'), 'utf8')).trim()
    for (const edit of editsIn(await readFile(join(location, name)))) apply(edit, live)
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && 'code' in error)) return new Set()
    throw error
  }
  return live
}

function* editsIn(manifest: Buffer): Generator<Buffer> {
  let parts: Buffer[] = []
  for (let at = 0; at + HEADER_BYTES <= manifest.length; ) {
    const rest = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (rest < HEADER_BYTES) {
      at += rest
      continue
    }
    const type = manifest[at + 6]!
    const begin = at + HEADER_BYTES
    at = begin + manifest.readUInt16LE(at + 4)
    if (type === FIRST_PARTS || type === LAST_PARTS[0]) parts = []
    parts.push(manifest.subarray(begin, at))
    if (LAST_PARTS.includes(type)) yield Buffer.concat(parts)
  }
}

function apply(edit: Buffer, live: Set<number>): void {
  const varints = new Varints(edit)
  const passText = () => varints.take(varints.next())
  while (!varints.isAtEnd) {
    switch (varints.next()) {
      case TAG.comparator:
        passText()
        break
      case TAG.logNumber:
      case TAG.nextFile:
      case TAG.lastSequence:
      case TAG.previousLog:
        varints.next()
        break
      case TAG.compactPointer:
        varints.next()
        passText()
        break
      case TAG.deletedFile:
        varints.next()
        live.delete(varints.next())
        break
      case TAG.newFile:
        varints.next()
        live.add(varints.next())
        varints.next()
        passText()
        passText()
        break
      default:
        throw new RangeError('an edit of an unknown kind')
    }
  }
}
