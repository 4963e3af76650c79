import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../leveldb/database.js'
import { type Identity, LOG_DATABASE, openLevelLog, WITNESS } from '../log-store/index.js'
import { IDENTITY_FILE } from './identity-file.js'
import { setAside } from './set-aside.js'

const UNFINISHED = 'unfinished'

/**
 * Puts the empty disk of another life of the node in place of what is in `directory`, which is kept in `set-aside` until
 * the next time. What is not a node's is left alone. After a crash on the way the directory is damaged, or the new one: never
 * what it was. Without a witness it may be empty, as at a node's first start.
 */
export async function renewNodeDisk(directory: string, identity: Identity): Promise<void> {
  const unfinished = join(directory, UNFINISHED)
  await rm(unfinished, { recursive: true, force: true })
  await make(unfinished, identity)
  await setAside(directory)
  // The witness is replaced last: beside the old one no database, and an empty one, are damaged.
  for (const name of [LOG_DATABASE, WITNESS]) {
    await rename(join(unfinished, name), join(directory, name))
    await syncDirectory(directory)
  }
  await rm(unfinished, { recursive: true })
  // What is in it is about the old disk, for whose sake it must not go before that.
  await rm(join(directory, IDENTITY_FILE), { force: true })
}

async function make(directory: string, identity: Identity): Promise<void> {
  const { log } = await openLevelLog(directory, identity)
  await log.close()
}
