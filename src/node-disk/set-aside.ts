import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, syncDirectory } from '../leveldb/database.js'
import { LOG_DATABASE, WITNESS } from '../log-store/index.js'
import { isRecordsName } from '../record-store/index.js'

/** In the data directory: what was there before, for people to look at. */
export const SET_ASIDE = 'set-aside'

/** All but the witness, of which a copy is kept. The database first: what is left is damaged, and is set aside the next time. */
export async function setAside(directory: string): Promise<void> {
  const aside = join(directory, SET_ASIDE)
  const isWhole = await exists(join(directory, LOG_DATABASE))
  if (isWhole) await rm(aside, { recursive: true, force: true })
  await mkdir(aside, { recursive: true })
  const rest = (await readdir(directory)).filter(isRecordsName)
  for (const name of isWhole ? [LOG_DATABASE, ...rest] : rest) {
    await rm(join(aside, name), { recursive: true, force: true })
    await rename(join(directory, name), join(aside, name))
    await syncDirectory(directory)
  }
  const witness = join(directory, WITNESS)
  if (await exists(witness)) await copyFile(witness, join(aside, WITNESS))
}
