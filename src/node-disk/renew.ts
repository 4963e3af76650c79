import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, syncDirectory } from '../leveldb/database.js'
import { type Identity, LOG_DATABASE, openLevelLog, WITNESS } from '../log-store/index.js'

/** In the data directory: what was there before, for people to look at. */
export const SET_ASIDE = 'set-aside'
const UNFINISHED = 'unfinished'

/**
 * Puts the empty disk of another life of the node in place of what is in `directory`, which is kept in `set-aside` until
 * the next time. After a crash on the way the directory is damaged, or empty, or the new one: never what it was.
 */
export async function renewNodeDisk(directory: string, identity: Identity): Promise<void> {
  const unfinished = join(directory, UNFINISHED)
  await rm(unfinished, { recursive: true, force: true })
  await make(unfinished, identity)
  await setAside(directory)
  // The witness last: a database without it is damaged, and a witness alone would be taken for a node's first start.
  for (const name of [LOG_DATABASE, WITNESS]) {
    await rename(join(unfinished, name), join(directory, name))
    await syncDirectory(directory)
  }
  await rm(unfinished, { recursive: true })
}

async function make(directory: string, identity: Identity): Promise<void> {
  const { log } = await openLevelLog(directory, identity)
  await log.close()
}

/** The database first: what is left is damaged, and is set aside the next time. */
async function setAside(directory: string): Promise<void> {
  const aside = join(directory, SET_ASIDE)
  const isWhole = await exists(join(directory, LOG_DATABASE))
  if (isWhole) await rm(aside, { recursive: true, force: true })
  await mkdir(aside, { recursive: true })
  const rest = (await readdir(directory)).filter(
    (name) => ![SET_ASIDE, UNFINISHED, LOG_DATABASE].includes(name),
  )
  for (const name of isWhole ? [LOG_DATABASE, ...rest] : rest) {
    await rename(join(directory, name), join(aside, name))
    await syncDirectory(directory)
  }
}
