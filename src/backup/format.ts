/**
 * A backup in a file. Lengths are 32 bits, big-endian:
 *
 *     "LKBACKUP", format: 32 bits
 *     length, header as JSON
 *     length, chunk of the snapshot; again for each, in order; each has a checksum of its own, the last has the totals
 *     SHA-256 of all this
 */
export const MAGIC = 'LKBACKUP'
export const FORMAT = 1
export const PREFACE_BYTES = MAGIC.length + 4
export const LENGTH_BYTES = 4
export const DIGEST = 'sha256'
export const DIGEST_BYTES = 32

/** What a backup is of. */
export interface BackupHeader {
  readonly clusterId: string
  /** The newest entry of the log that is in it. */
  readonly index: number
  readonly term: number
  /** The token that the next grant would have had. */
  readonly nextToken: number
  /** The cluster's clock in ms. */
  readonly at: number
  /** When it was taken by the wall clock of the node that gave it, in ISO 8601. */
  readonly takenAt: string
  /** Of the software that wrote it. */
  readonly version: string
}

/** A file is no backup, or not as it was written. The message says what to do. */
export class DamagedBackupError extends Error {
  override readonly name = 'DamagedBackupError'
}

export function damaged(file: string, what: string, options?: ErrorOptions): DamagedBackupError {
  return new DamagedBackupError(
    `${file} can't be restored: ${what}; copy it again from where it was kept, or take another backup`,
    options,
  )
}
