import { readdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, syncDirectory } from '../leveldb/database.js'
import { LOG_DATABASE } from '../log-store/index.js'
import { setAside } from './set-aside.js'

/** In the data directory: a whole disk that is to be put in place of what is there. */
export const RESTORED = 'restored'

/** Puts a restored disk in place, if there is one; after a crash at any moment it can be done again, from where it was. */
export async function finishRestoring(directory: string): Promise<void> {
  const restored = join(directory, RESTORED)
  if (!(await exists(restored))) return
  if (await exists(join(restored, LOG_DATABASE))) {
    await setAside(directory)
    await move(restored, LOG_DATABASE, directory)
  }
  // From now on nothing that lies in the directory is old, but the witness, which is replaced.
  for (const name of await readdir(restored)) await move(restored, name, directory)
  await rmdir(restored)
  await syncDirectory(directory)
}

async function move(from: string, name: string, to: string): Promise<void> {
  await rename(join(from, name), join(to, name))
  await syncDirectory(to)
}
