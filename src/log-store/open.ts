import { randomInt } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { NOBODY } from '../../raft/index.js'
import {
  type Database,
  exists,
  isDatabase,
  isUnreadable,
  openDatabase,
  unusable,
} from '../leveldb/database.js'
import { ForeignDataError } from '../leveldb/errors.js'
import { lifeOf, numberOf } from '../platform/member-id.js'
import {
  type DiskIdentity,
  damaged,
  decodeBase,
  decodeIdentity,
  encodeHardState,
  encodeIdentity,
  FIRST_BASE,
  HARD_STATE_KEY,
  IDENTITY_KEY,
  type Identity,
  LOG_START_KEY,
} from './format.js'
import { LevelLogStore } from './level-log-store.js'
import { Witness } from './witness.js'

/** In the data directory; its lock is the lock of the directory. */
export const LOG_DATABASE = 'db'
const FIRST_HARD_STATE = { term: 0, vote: NOBODY }
const FIRST_HEAD = { lastIndex: 0, lastTerm: 0, writes: 0 }
const DISKS = 2 ** 48 - 1

export interface OpenedLog {
  readonly log: LevelLogStore
  /** Names the `records-<generation>` in force. */
  readonly generation: number
  /** Its `nodeId` may be a later life of the node that was asked for: see `member-id.ts`. */
  readonly identity: DiskIdentity
}

/**
 * The log of one node in `directory`, which is created at the node's first start and belongs to that node of that
 * cluster ever after; as another disk than any before, unless it is told as which. Rejects with a `ForeignDataError`,
 * `LockedDirectoryError`, `UnusableDirectoryError` or `DamagedLogError`.
 */
export async function openLevelLog(
  directory: string,
  identity: Identity & Partial<DiskIdentity>,
): Promise<OpenedLog> {
  const witness = await openWitness(directory)
  let database: Database | undefined
  try {
    database = await openDatabase({
      directory,
      name: LOG_DATABASE,
      first: [
        [IDENTITY_KEY, encodeIdentity({ disk: newDisk(), ...identity })],
        [HARD_STATE_KEY, encodeHardState(FIRST_HARD_STATE, FIRST_HEAD)],
      ],
      damaged,
    })
    const found = await identityIn(database)
    checkIdentity(found, directory, identity)
    const base = await get(database, LOG_START_KEY)
    const { generation } = base === undefined ? FIRST_BASE : decodeBase(base)
    const log = new LevelLogStore(directory, database, witness)
    return { log, generation, identity: await withDisk(found, database) }
  } catch (error) {
    await database?.close()
    await witness?.close()
    throw error
  }
}

/**
 * Whose `directory` is; undefined if no node has acknowledged anything in it. Rejects with an `UnusableDirectoryError` or a
 * `DamagedLogError`.
 */
export async function ownerOf(directory: string): Promise<Identity | undefined> {
  const witness = await Witness.open(directory)
  await witness?.close()
  const location = join(directory, LOG_DATABASE)
  const mayBeNew = witness === undefined || witness.acknowledged === 0
  if (mayBeNew && !(await isDatabase(location))) return undefined
  if (!(await exists(location))) throw vanished()
  const database = await openDatabase({ directory, name: LOG_DATABASE, first: [], damaged })
  try {
    const { clusterId, nodeId } = await identityIn(database)
    return { clusterId, nodeId }
  } finally {
    await database.close()
  }
}

/** There before the database is, so that a database that vanished is not taken for one that never was. */
async function openWitness(directory: string): Promise<Witness | undefined> {
  try {
    const witness = await Witness.open(directory)
    if (await exists(join(directory, LOG_DATABASE))) return witness
    if (witness === undefined) {
      await mkdir(directory, { recursive: true })
      return await Witness.create(directory)
    }
    if (witness.acknowledged === 0) return witness
    await witness.close()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    throw unusable(directory, error)
  }
  throw vanished()
}

async function get(database: Database, key: string): Promise<Buffer | undefined> {
  try {
    return await database.get(key)
  } catch (error) {
    throw isUnreadable(error) ? damaged(key, 'LevelDB can not read it', { cause: error }) : error
  }
}

function vanished(): Error {
  return damaged(
    IDENTITY_KEY,
    `this node has acknowledged writes, and the database '${LOG_DATABASE}' is gone`,
  )
}

async function identityIn(database: Database): Promise<Identity & Partial<DiskIdentity>> {
  const value = await get(database, IDENTITY_KEY)
  if (value === undefined) throw damaged(IDENTITY_KEY, 'it is missing')
  return decodeIdentity(value)
}

function newDisk(): number {
  return randomInt(1, DISKS)
}

/** A directory that was made before disks had a number gets one now. */
async function withDisk(found: Identity & Partial<DiskIdentity>, database: Database): Promise<DiskIdentity> {
  if (found.disk !== undefined) return { ...found, disk: found.disk }
  const identity = { ...found, disk: newDisk() }
  await database.put(IDENTITY_KEY, encodeIdentity(identity), { sync: true })
  return identity
}

function checkIdentity(found: Identity, directory: string, expected: Identity): void {
  if (found.clusterId !== expected.clusterId) {
    throw foreign(directory, `cluster '${found.clusterId}'`, `cluster '${expected.clusterId}'`)
  }
  const isLife =
    numberOf(found.nodeId) === numberOf(expected.nodeId) && lifeOf(found.nodeId) >= lifeOf(expected.nodeId)
  if (!isLife) throw foreign(directory, `node ${found.nodeId}`, `node ${expected.nodeId}`)
}

function foreign(directory: string, owner: string, asked: string): ForeignDataError {
  return new ForeignDataError(
    `data directory ${directory} belongs to ${owner}, and this is ${asked}: correct the configuration, or point it to the directory of ${asked}`,
  )
}
