import { firstTokenAt } from '../machine/incarnation.js'
import { seedNodeDisk } from '../node-disk/index.js'
import { ClockBehindError } from '../platform/clock-behind.js'
import { encodeChange } from '../replica/record-codec.js'
import { readBackup } from './read.js'

/** One node of a cluster that is to begin with a backup. */
export interface RestoreTarget {
  /** A name that the cluster of the backup never had. */
  readonly clusterId: string
  readonly nodeId: number
  /** All voters of the new cluster. */
  readonly voters: readonly number[]
  /** Its data directory, missing or empty. */
  readonly directory: string
  /** By the wall clock. */
  readonly nowMs: number
}

export interface Restored {
  /** Of the cluster that the backup is of. */
  readonly from: string
  readonly takenAt: string
  readonly index: number
  /** The first token of the new cluster, if its first leader were this machine, now; it begins later, and with a greater one. */
  readonly nextToken: number
}

/** The new cluster may not have that name. The message says why. */
export class SameClusterError extends Error {
  override readonly name = 'SameClusterError'
}

/**
 * Makes the data directory of one node from a backup: the same on every node of the new cluster, so that these agree from
 * their first moment on. No session lives on, all queues are empty, and tokens go on when the cluster begins
 * (`Machine.successor`). Nothing is written unless the backup is whole. Rejects with a `DamagedBackupError`, a
 * `SameClusterError`, a `ClockBehindError`, an `UnusableDirectoryError`, or what the system says.
 */
export async function restoreBackup(file: string, target: RestoreTarget): Promise<Restored> {
  const { header, machine } = await readBackup(file)
  const { clusterId, index, term, takenAt } = header
  if (clusterId === target.clusterId) {
    throw new SameClusterError(
      `${file} is a backup of cluster '${clusterId}', and what is restored must have a name of its own, lest nodes and clients of the two meet: change cluster.id in the configuration`,
    )
  }
  const successor = machine.successor(Date.parse(takenAt))
  const { earliestMs } = successor.incarnation
  if (target.nowMs < earliestMs) throw new ClockBehindError(target.nowMs, earliestMs)
  const nextToken = firstTokenAt(target.nowMs)
  const voters = [...target.voters].sort((a, b) => a - b)
  const start = { index, term, config: { voters, outgoing: [], learners: [] } }
  const identity = { clusterId: target.clusterId, nodeId: target.nodeId }
  await seedNodeDisk(target.directory, identity, start, [encodeChange(successor.beginCheckpoint())])
  return { from: clusterId, takenAt, index, nextToken }
}
