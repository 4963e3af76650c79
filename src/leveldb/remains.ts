import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GAP, recordsIn } from './log-file.js'
import { rowsOfTable } from './tables.js'
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
 * in them. Tables come first, then logs, each in the order in which they were begun; `GAP` stands for what can't be read,
 * unless it is rows of a table that are not its first ones.
 */
export async function* remainsOf(location: string): AsyncGenerator<Remnant | typeof GAP> {
  const names = (await readdir(location)).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  for (const name of names.filter((each) => TABLE.test(each)))
    yield* rowsOfTable(await readFile(join(location, name)))
  for (const name of names.filter((each) => LOG.test(each)))
    for (const batch of recordsIn(await readFile(join(location, name)))) {
      if (batch === GAP) yield GAP
      else yield* putsIn(batch)
    }
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
