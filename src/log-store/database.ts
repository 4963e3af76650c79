import { mkdir, open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { LockedDirectoryError, UnusableDirectoryError } from './errors.js'
import { damaged } from './format.js'

export type Database = Level<string, Buffer>

/** Inside the data directory. The first start prepares it under the other name, so that it is there whole or not at all. */
const DATABASE = 'db'
const UNFINISHED = 'db.unfinished'

/**
 * Opens the LevelDB inside `directory`; at the first start creates it with `first` in it. Rejects with a
 * `LockedDirectoryError`, an `UnusableDirectoryError`, or a `DamagedLogError`.
 */
export async function openDatabase(
  directory: string,
  first: readonly (readonly [string, Buffer])[],
): Promise<Database> {
  try {
    const location = join(directory, DATABASE)
    if (!(await exists(location))) await create(directory, first)
    // Files of LevelDB without its CURRENT would otherwise be taken for an empty database, and this for a new node.
    return await openLevel(location, { createIfMissing: false })
  } catch (error) {
    throw explain(directory, error)
  }
}

async function create(directory: string, first: readonly (readonly [string, Buffer])[]): Promise<void> {
  await mkdir(directory, { recursive: true })
  const unfinished = join(directory, UNFINISHED)
  const database = await openLevel(unfinished, { createIfMissing: true })
  try {
    await database.batch(
      first.map(([key, value]) => ({ type: 'put' as const, key, value })),
      { sync: true },
    )
  } finally {
    await database.close()
  }
  await rename(unfinished, join(directory, DATABASE))
  await syncDirectory(directory)
}

async function openLevel(location: string, options: { createIfMissing: boolean }): Promise<Database> {
  const database = new Level<string, Buffer>(location, {
    ...options,
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
  })
  await database.open()
  return database
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** LevelDB wraps the reason: LEVEL_LOCKED, LEVEL_CORRUPTION and the like are found in the cause. */
function explain(directory: string, error: unknown): Error {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const text = reason instanceof Error ? reason.message : String(reason)
  const code = codeOf(reason)
  if (code === 'LEVEL_LOCKED') {
    return new LockedDirectoryError(
      `data directory ${directory} is in use by another process: stop that process, or give this node a directory of its own`,
      { cause: error },
    )
  }
  if (code === 'LEVEL_CORRUPTION' || code === 'LEVEL_INVALID_ARGUMENT' || /does not exist/.test(text)) {
    return damaged('CURRENT', text, { cause: error })
  }
  return new UnusableDirectoryError(
    `data directory ${directory} can't be used (${text}): check its path and permissions`,
    { cause: error },
  )
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
