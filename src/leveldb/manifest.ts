import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GAP, recordsIn } from './log-file.js'
import { Varints } from './varints.js'

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
 * The tables that belong to the database, by their numbers, each with its level: of a key, a lower level has the newer value,
 * and on level 0 the table with the greater number. A crash leaves unfinished tables beside them, which LevelDB removes. None
 * if the manifest can't be read: that LevelDB does notice by itself.
 */
export async function liveTables(location: string): Promise<ReadonlyMap<number, number>> {
  const live = new Map<number, number>()
  try {
    const name = (await readFile(join(location, 'CURRENT'), 'utf8')).trim()
    for (const edit of recordsIn(await readFile(join(location, name)))) if (edit !== GAP) apply(edit, live)
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && 'code' in error)) return new Map()
    throw error
  }
  return live
}

function apply(edit: Buffer, live: Map<number, number>): void {
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
      case TAG.newFile: {
        const level = varints.next()
        live.set(varints.next(), level)
        varints.next()
        passText()
        passText()
        break
      }
      default:
        throw new RangeError('an edit of an unknown kind')
    }
  }
}
