import { assert } from '../../raft/index.js'
import { type DiskIdentity, type Identity, type LevelLogStore, openLevelLog } from '../log-store/index.js'
import { LevelRecordStore, LevelStaging } from '../record-store/index.js'
import type {
  IntactParts,
  LogPosition,
  NodeDisk,
  RecoveredDisk,
  SnapshotSource,
  Staging,
  StateRecord,
} from '../replica/ports.js'
import { checkBelonging } from './belonging.js'
import { finishRestoring } from './finish-restoring.js'

/**
 * All that one node keeps, in `directory`, which is created at the node's first start and belongs to that node of that
 * cluster ever after; what a crash left half restored is put in place first. Rejects with a `ForeignDataError`,
 * `LockedDirectoryError`, `UnusableDirectoryError`, `DamagedLogError` or `DamagedRecordsError`.
 */
export async function openNodeDisk(
  directory: string,
  owner: Identity & Partial<DiskIdentity>,
): Promise<LevelNodeDisk> {
  await finishRestoring(directory)
  const { log, generation, identity } = await openLevelLog(directory, owner)
  try {
    return new LevelNodeDisk(identity, log, await LevelRecordStore.open(directory, generation))
  } catch (error) {
    await log.close()
    throw error
  }
}

/** The log's database names the generation of the records in force; its lock is the lock of the directory. */
export class LevelNodeDisk implements NodeDisk, IntactParts {
  readonly identity: DiskIdentity
  readonly log: LevelLogStore
  readonly records: LevelRecordStore

  constructor(identity: DiskIdentity, log: LevelLogStore, records: LevelRecordStore) {
    this.identity = identity
    this.log = log
    this.records = records
  }

  async load(take: (records: readonly StateRecord[]) => void): Promise<RecoveredDisk> {
    const recovered = await this.log.load()
    const checkpoint = await this.records.load(take)
    checkBelonging({ ...recovered, checkpoint })
    return { ...recovered, checkpoint }
  }

  async install(staging: Staging): Promise<void> {
    assert(staging instanceof LevelStaging && staging.isLoaded, 'a loaded staging of this disk')
    const { generation, start } = staging
    await this.log.install({ generation, start })
    await this.records.adopt(staging)
  }

  logUpTo(last: LogPosition): Promise<readonly Uint8Array[]> {
    return this.log.upTo(last)
  }

  async openCheckpoint(): Promise<SnapshotSource | undefined> {
    return this.records.start() === undefined ? undefined : await this.records.openSnapshot()
  }

  async close(): Promise<void> {
    await this.records.close()
    await this.log.close()
  }
}
