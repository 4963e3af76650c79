import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** In the log of LevelDB, which holds what was written last as it was written. */
export async function flipByteOf(text: string, directory: string): Promise<void> {
  const { path, bytes } = await largest(directory, '.log')
  const at = bytes.indexOf(text)
  assert.ok(at >= 0, `${text} stands in ${path}`)
  await flip(path, bytes, at)
}

/** In the middle of what was written last. */
export async function flipByteOfLog(directory: string): Promise<void> {
  const { path, bytes } = await largest(directory, '.log')
  await flip(path, bytes, bytes.length >> 1)
}

/** Several, for one alone may make no difference to what is read: tables are compressed. */
export async function flipBytesOfTable(directory: string): Promise<void> {
  const { path, bytes } = await largest(directory, '.ldb')
  await flip(path, bytes, bytes.length >> 1, 64)
}

/** In the middle of what the newest checkpoint holds. */
export async function flipByteOfCheckpoint(directory: string): Promise<void> {
  const [records] = (await readdir(directory)).filter((name) => name.startsWith('records-'))
  const { path, bytes } = await largest(directory, '', records)
  await flip(path, bytes, bytes.length >> 1)
}

/** The second half of what was written last reads as zeros. */
export async function zeroTailOfLog(directory: string): Promise<void> {
  const { path, bytes } = await largest(directory, '.log')
  await writeFile(path, bytes.fill(0, bytes.length >> 1))
}

async function largest(
  directory: string,
  extension: string,
  database = 'db',
): Promise<{ path: string; bytes: Buffer }> {
  const names = (await readdir(join(directory, database))).filter((name) => name.endsWith(extension))
  const paths = names.map((name) => join(directory, database, name))
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(path) })))
  return files.reduce((most, file) => (file.bytes.length > most.bytes.length ? file : most))
}

async function flip(path: string, bytes: Buffer, at: number, count = 1): Promise<void> {
  for (let k = at; k < at + count; k++) bytes[k]! ^= 1
  await writeFile(path, bytes)
}
