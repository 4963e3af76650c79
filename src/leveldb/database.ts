import { mkdir, open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { LockedDirectoryError, UnusableDirectoryError } from './errors.js'
import { faultInLogs } from './remains.js'
import { faultInTables } from './tables.js'

export type Database = Level<string, Buffer>

export interface DatabaseSpec {
  /** The data directory. */
  readonly directory: string
  /** Of the database inside it. */
  readonly name: string
  /** What is in it when it is created. */
  readonly first: readonly (readonly [string, Buffer])[]
  readonly damaged: (key: string, what: string, options: ErrorOptions) => Error
}

/**
 * Opens a LevelDB inside the data directory; creates it if there is none. Rejects with a `LockedDirectoryError`, an
 * `UnusableDirectoryError`, or what `damaged` gives.
 */
export async function openDatabase(spec: DatabaseSpec): Promise<Database> {
  const location = join(spec.directory, spec.name)
  const fault = await explained(spec, async () => {
    if (!(await exists(location))) await create(spec)
    return (await faultInTables(location)) ?? (await faultInLogs(location))
  })
  if (fault !== undefined) throw spec.damaged('files', fault, {})
  // Files of LevelDB without its CURRENT would otherwise be taken for an empty database, and this for a new node.
  return explained(spec, () => openLevel(location, { createIfMissing: false }))
}

async function explained<T>(spec: DatabaseSpec, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw explain(spec, error)
  }
}

/** Prepared under another name, so that it is there whole or not at all. */
async function create({ directory, name, first }: DatabaseSpec): Promise<void> {
  await mkdir(directory, { recursive: true })
  const unfinished = join(directory, `${name}.unfinished`)
  const database = await openLevel(unfinished, { createIfMissing: true })
  try {
    await database.batch(
      first.map(([key, value]) => ({ type: 'put' as const, key, value })),
      { sync: true },
    )
  } finally {
    await database.close()
  }
  await rename(unfinished, join(directory, name))
  await syncDirectory(directory)
}

export async function openLevel(location: string, options: { createIfMissing: boolean }): Promise<Database> {
  const database = new Level<string, Buffer>(location, {
    ...options,
    keyEncoding: 'utf8',
    valueEncoding: 'buffer',
    // So that `faultInTables` can read them.
    compression: false,
  })
  await database.open()
  return database
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** Whether LevelDB has begun a database there. */
export function isDatabase(location: string): Promise<boolean> {
  return exists(join(location, 'CURRENT'))
}

/** What was created, renamed or removed in it survives a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What the process lacks, and not the disk: the next process may read what this one can't. */
const LACKS = /Too many open files|Permission denied|Cannot allocate memory/

/** Reading met bytes that LevelDB can't make sense of, or files that are gone. */
export function isUnreadable(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'LEVEL_CORRUPTION' || (code === 'LEVEL_IO_ERROR' && !LACKS.test(reasonOf(error).text))
}

/** The database is there, and a file that it needs is not. */
const MISSING_FILE = /does not exist|No such file/

function explain({ directory, damaged }: DatabaseSpec, error: unknown): Error {
  const { code, text } = reasonOf(error)
  if (code === 'LEVEL_CORRUPTION' || code === 'LEVEL_INVALID_ARGUMENT' || MISSING_FILE.test(text)) {
    return damaged('CURRENT', text, { cause: error })
  }
  return unusable(directory, error)
}

/** As LevelDB and Node.js say it. */
const FULL = /No space left|ENOSPC/

/** Why a directory that may be whole can't be used. */
export function unusable(directory: string, error: unknown): LockedDirectoryError | UnusableDirectoryError {
  const { code, text } = reasonOf(error)
  if (code === 'LEVEL_LOCKED') {
    return new LockedDirectoryError(
      `data directory ${directory} is in use by another process: stop that process, or give this node a directory of its own`,
      { cause: error },
    )
  }
  const remedy = FULL.test(text) ? 'make room on its disk' : 'check its path and permissions'
  return new UnusableDirectoryError(`data directory ${directory} can't be used (${text}): ${remedy}`, {
    cause: error,
  })
}

/** LevelDB wraps the reason: LEVEL_LOCKED, LEVEL_CORRUPTION and the like are found in the cause. */
function reasonOf(error: unknown): { code: unknown; text: string } {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return { code: codeOf(reason), text: reason instanceof Error ? reason.message : String(reason) }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
