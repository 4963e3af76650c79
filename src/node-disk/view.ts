import { copyFile, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Database, exists, openLevel, unusable } from '../leveldb/database.js'
import { LOG_DATABASE, WITNESS } from '../log-store/index.js'
import { isRecordsName } from '../record-store/index.js'

const LOCK = 'LOCK'
/** Tables are never changed, only made and removed: a link will do. */
const TABLE = /^\d+\.(ldb|sst)$/
/** What else LevelDB needs; not its lock, for a process that closes that file anywhere lets go of the lock. */
const REST = /^(CURRENT|MANIFEST-\d+|\d+\.log)$/

/** A data directory as the last process left it, in another place, where it can be opened. */
export interface View {
  readonly directory: string
  /** Removes the view, and lets others use the original. */
  close(): Promise<void>
}

/**
 * Makes a view of the data directory `original`, in which nothing is changed: opening it would rewrite the logs of LevelDB
 * as tables, and with that what a damage looked like. While the view is open no node can start on the original. Rejects
 * with a `LockedDirectoryError` if one runs there, or an `UnusableDirectoryError`.
 */
export async function openView(original: string): Promise<View> {
  const root = await mkdtemp(join(tmpdir(), 'lockkeeper-view-'))
  let lock: Database | undefined
  const close = async (): Promise<void> => {
    await lock?.close()
    await rm(root, { recursive: true, force: true })
  }
  try {
    lock = await borrowLock(resolve(original, LOG_DATABASE, LOCK), join(root, 'lock'))
    const directory = join(root, 'data')
    await mirror(original, directory)
    return { directory, close }
  } catch (error) {
    await close()
    throw unusable(original, error)
  }
}

/** LevelDB locks nothing but what it opens: here an empty database whose lock is that of another. */
async function borrowLock(file: string, location: string): Promise<Database | undefined> {
  if (!(await exists(file))) return undefined
  await mkdir(location)
  await symlink(file, join(location, LOCK))
  return openLevel(location, { createIfMissing: true })
}

async function mirror(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from)) {
    if (name === WITNESS) await copyFile(join(from, name), join(to, name))
    else if (name === LOG_DATABASE || isRecordsName(name))
      await mirrorDatabase(resolve(from, name), join(to, name))
  }
}

async function mirrorDatabase(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from)) {
    if (TABLE.test(name)) await symlink(join(from, name), join(to, name))
    else if (REST.test(name)) await copyFile(join(from, name), join(to, name))
  }
}
