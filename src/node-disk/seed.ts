import { mkdir, readdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type LogStart, NOBODY } from '../../raft/index.js'
import { syncDirectory } from '../leveldb/database.js'
import { UnusableDirectoryError } from '../leveldb/errors.js'
import { type Identity, openLevelLog } from '../log-store/index.js'
import { LevelRecordStore } from '../record-store/index.js'
import type { RecordChange } from '../replica/ports.js'

const UNFINISHED = 'unfinished'

/**
 * Makes the disk of a node that has never run and yet has a past: an empty log behind `start`, and the checkpoint of that
 * point. `directory` must be missing or empty: otherwise rejects with an `UnusableDirectoryError`, and nothing is written.
 */
export async function seedNodeDisk(
  directory: string,
  identity: Identity,
  start: LogStart,
  records: readonly RecordChange[],
): Promise<void> {
  await mkdir(directory, { recursive: true })
  if ((await readdir(directory)).length > 0) {
    throw new UnusableDirectoryError(
      `data directory ${directory} is not empty: give the new node a directory of its own, or move away what is there`,
    )
  }
  const unfinished = join(directory, UNFINISHED)
  await write(unfinished, identity, start, records)
  // The database last: as long as only its witness is there, the node does not take itself for a new one.
  const names = (await readdir(unfinished)).sort((a, b) => rank(a) - rank(b))
  for (const name of names) {
    await rename(join(unfinished, name), join(directory, name))
    await syncDirectory(directory)
  }
  await rmdir(unfinished)
  await syncDirectory(directory)
}

async function write(
  directory: string,
  identity: Identity,
  start: LogStart,
  changes: readonly RecordChange[],
): Promise<void> {
  const { log, generation } = await openLevelLog(directory, identity)
  try {
    const records = await LevelRecordStore.open(directory, generation)
    try {
      await log.load()
      await records.load(() => {})
      // No entry may be ahead of the term.
      const hardState = { term: start.term, vote: NOBODY }
      await log.write({ id: 1, hardState, truncateFrom: undefined, entries: [] })
      const draft = records.begin(start)
      draft.put(changes)
      await draft.write()
      await log.install({ generation, start })
    } finally {
      await records.close()
    }
  } finally {
    await log.close()
  }
}

function rank(name: string): number {
  return ['witness', 'records-1', 'db'].indexOf(name)
}
