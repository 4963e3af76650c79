import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Entry, HardState, LogStart } from '../../raft/index.js'
import { syncDirectory } from '../leveldb/database.js'
import type { DiskIdentity } from '../log-store/index.js'
import type { SnapshotSource } from '../replica/ports.js'
import { finishRestoring, RESTORED } from './finish-restoring.js'
import { type LevelNodeDisk, openNodeDisk } from './level-node-disk.js'

const UNFINISHED = 'unfinished'
const WRITE_BYTES = 1024 * 1024

/** All that a node's disk held, put together again. */
export interface DiskContent {
  readonly identity: DiskIdentity
  readonly hardState: HardState
  readonly start: LogStart
  /** That of `start`; undefined if the log has its beginning. */
  readonly checkpoint: SnapshotSource | undefined
  /** Those behind `start`. */
  readonly entries: readonly Entry[]
}

/**
 * Makes a disk with that content, and puts it in place of what is in `directory`, which is kept in `set-aside`. It is the same
 * disk of the same member. Until it is whole, on disk and read again, nothing of the old one is touched; after a crash later on,
 * the next start completes it.
 */
export async function restoreNodeDisk(directory: string, content: DiskContent): Promise<void> {
  const unfinished = join(directory, UNFINISHED)
  await rm(unfinished, { recursive: true, force: true })
  await withDisk(unfinished, content, (disk) => write(disk, content))
  await withDisk(unfinished, content, async (disk) => void (await disk.load(() => {})))
  await rename(unfinished, join(directory, RESTORED))
  await syncDirectory(directory)
  await finishRestoring(directory)
}

async function withDisk(
  directory: string,
  { identity }: DiskContent,
  work: (disk: LevelNodeDisk) => Promise<void>,
): Promise<void> {
  const disk = await openNodeDisk(directory, identity)
  try {
    await work(disk)
  } finally {
    await disk.close()
  }
}

async function write(disk: LevelNodeDisk, content: DiskContent): Promise<void> {
  const { hardState, start, checkpoint, entries } = content
  await disk.load(() => {})
  // No entry may be ahead of the term.
  await disk.log.write({ id: 0, hardState, truncateFrom: undefined, entries: [] })
  if (checkpoint === undefined) await disk.log.compact(start)
  else await install(disk, checkpoint)
  for (const part of parts(entries))
    await disk.log.write({ id: 0, hardState: undefined, truncateFrom: undefined, entries: part })
}

async function install(disk: LevelNodeDisk, checkpoint: SnapshotSource): Promise<void> {
  const staging = await disk.records.openStaging(checkpoint.start)
  while (staging.next !== undefined) await staging.put((await checkpoint.chunk(staging.next)).data)
  await staging.complete()
  await staging.load(() => {})
  await disk.install(staging)
}

function* parts(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let [from, bytes] = [0, 0]
  for (const [k, { payload }] of entries.entries()) {
    bytes += payload.length
    if (bytes < WRITE_BYTES) continue
    yield entries.slice(from, k + 1)
    from = k + 1
    bytes = 0
  }
  yield entries.slice(from)
}
