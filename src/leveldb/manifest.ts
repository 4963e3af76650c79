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
 * Numbers of the tables that belong to the database. A crash leaves unfinished ones beside them, which LevelDB removes. None
 * if the manifest can't be read: that LevelDB does notice by itself.
 */
export async function liveTables(location: string): Promise<ReadonlySet<number>> {
  const live = new Set<number>()
  try {
    const name = (await readFile(join(location, 'CURRENT'), 'utf8')).trim()
    for (const edit of recordsIn(await readFile(join(location, name)))) if (edit !== GAP) apply(edit, live)
  } catch (error) {
    if (error instanceof RangeError || (error instanceof Error && 'code' in error)) return new Set()
    throw error
  }
  return live
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
