import { NOBODY } from '../../raft/index.js'
import { type Database, openDatabase } from './database.js'
import { ForeignDataError } from './errors.js'
import {
  damaged,
  decodeIdentity,
  encodeHardState,
  encodeIdentity,
  HARD_STATE_KEY,
  IDENTITY_KEY,
  type Identity,
} from './format.js'
import { LevelLogStore } from './level-log-store.js'

const FIRST_HARD_STATE = { term: 0, vote: NOBODY }

/**
 * The log of one node in `directory`, which is created at the node's first start and belongs to that node of that
 * cluster ever after. Rejects with a `ForeignDataError`, `LockedDirectoryError`, `UnusableDirectoryError` or
 * `DamagedLogError`.
 */
export async function openLevelLogStore(directory: string, identity: Identity): Promise<LevelLogStore> {
  const database = await openDatabase(directory, [
    [IDENTITY_KEY, encodeIdentity(identity)],
    [HARD_STATE_KEY, encodeHardState(FIRST_HARD_STATE)],
  ])
  try {
    await checkIdentity(database, directory, identity)
  } catch (error) {
    await database.close()
    throw error
  }
  return new LevelLogStore(database)
}

async function checkIdentity(database: Database, directory: string, expected: Identity): Promise<void> {
  const value: Buffer | undefined = await database.get(IDENTITY_KEY)
  if (value === undefined) throw damaged(IDENTITY_KEY, 'it is missing')
  const found = decodeIdentity(value)
  if (found.clusterId !== expected.clusterId) {
    throw foreign(directory, `cluster '${found.clusterId}'`, `cluster '${expected.clusterId}'`)
  }
  if (found.nodeId !== expected.nodeId)
    throw foreign(directory, `node ${found.nodeId}`, `node ${expected.nodeId}`)
}

function foreign(directory: string, owner: string, asked: string): ForeignDataError {
  return new ForeignDataError(
    `data directory ${directory} belongs to ${owner}, and this is ${asked}: correct the configuration, or point it to the directory of ${asked}`,
  )
}
