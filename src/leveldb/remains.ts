import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GAP, recordsIn } from './log-file.js'
import { liveTables } from './manifest.js'
import { rowsOfTable, tableName } from './tables.js'
import { Varints } from './varints.js'

const TABLE = /^\d+\.ldb$/
const LOG = /^\d+\.log$/
/** Number of the first change, number of changes: those of a batch follow. */
const BATCH_HEADER_BYTES = 12
const PUT = 1

export type Remnant = readonly [key: string, value: Buffer]

/**
 * Every value that can be read in the files of a database, which nobody has open, without LevelDB: that would drop what stands
 * behind a damaged byte and rewrite the rest. Also values that were replaced or deleted since: who reads must tell by what is
 * in them. Older values come before newer ones: tables first, by level and number, then logs. `GAP` stands for what can't be
 * read, unless it is rows of a table that are not its first ones; it comes last, too, if there is no telling which table is newer.
 */
export async function* remainsOf(location: string): AsyncGenerator<Remnant | typeof GAP> {
  const names = (await readdir(location)).sort((a, b) => numberOf(a) - numberOf(b))
  yield* remainsOfTables(
    location,
    names.filter((each) => TABLE.test(each)),
  )
  for (const name of names.filter((each) => LOG.test(each)))
    for (const batch of recordsIn(await readFile(join(location, name)))) {
      if (batch === GAP) yield GAP
      else yield* putsIn(batch)
    }
}

async function* remainsOfTables(
  location: string,
  names: readonly string[],
): AsyncGenerator<Remnant | typeof GAP> {
  const levels = await liveTables(location)
  const isLive = (name: string): boolean => levels.has(numberOf(name))
  const live = [...levels].sort(([a, levelA], [b, levelB]) => levelB - levelA || a - b)
  // Those that a crash left beside the database were made of older ones.
  const ordered = [...names.filter((name) => !isLive(name)), ...live.map(([number]) => tableName(number))]
  let hasGap = false
  for (const name of ordered)
    for (const remnant of names.includes(name) ? rowsOfTable(await readFile(join(location, name))) : [GAP]) {
      hasGap ||= remnant === GAP
      yield remnant
    }
  if (hasGap && levels.size === 0) yield GAP
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10)
}

/**
 * What is wrong with a log of the database at `location`: something in it can't be read, although what came later can.
 * Without that, the end was not written, or is lost: this can't tell.
 */
export async function faultInLogs(location: string): Promise<string | undefined> {
  for (const name of (await readdir(location)).filter((each) => LOG.test(each))) {
    let afterGap = false
    for (const record of recordsIn(await readFile(join(location, name)))) {
      if (afterGap && record !== GAP) return `log ${name}: it can't be read in the middle`
      afterGap ||= record === GAP
    }
  }
  return undefined
}

function* putsIn(batch: Buffer): Generator<Remnant> {
  const changes = new Varints(batch.subarray(BATCH_HEADER_BYTES))
  while (!changes.isAtEnd) {
    const kind = changes.next()
    const key = changes.take(changes.next()).toString()
    if (kind === PUT) yield [key, changes.take(changes.next())]
  }
}
