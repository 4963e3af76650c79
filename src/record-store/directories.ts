import { open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, openDatabase, syncDirectory } from '../leveldb/database.js'
import { damaged } from './format.js'

const PREFIX = 'records-'

/** The records of one generation, inside the data directory. */
export function recordsName(generation: number): string {
  return PREFIX + generation
}

export function isRecordsName(name: string): boolean {
  return name.startsWith(PREFIX)
}

/** In no certain order; those that were never put in force too. */
export async function generationsIn(directory: string): Promise<number[]> {
  const generations = (await readdir(directory))
    .filter(isRecordsName)
    .map((name) => Number(name.slice(PREFIX.length)))
  return generations.filter(Number.isInteger)
}

/** Creates them, empty, if they are not there. Errors as of `openDatabase`, and `DamagedRecordsError`. */
export function openRecords(directory: string, generation: number): Promise<Database> {
  return openDatabase({ directory, name: recordsName(generation), first: [], damaged })
}

/** A staging that was never put in force, a generation that was replaced: whatever a crash left over goes. */
export async function removeOthers(directory: string, generation: number): Promise<void> {
  const others = (await readdir(directory)).filter(
    (name) => isRecordsName(name) && name !== recordsName(generation),
  )
  for (const name of others) await rm(join(directory, name), { recursive: true, force: true })
  if (others.length > 0) await syncDirectory(directory)
}

/** Everything in a closed database survives a power cut. LevelDB itself syncs no more of its logs than the newest one. */
export async function syncFiles(location: string): Promise<void> {
  for (const name of await readdir(location)) {
    const file = await open(join(location, name))
    try {
      await file.datasync()
    } finally {
      await file.close()
    }
  }
  await syncDirectory(location)
}
