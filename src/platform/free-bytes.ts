import { statfs } from 'node:fs/promises'

/** How much this process may still write to the file system that `directory` is on, in bytes. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
