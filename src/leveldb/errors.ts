/** The data directory belongs to another node or another cluster. */
export class ForeignDataError extends Error {
  override readonly name = 'ForeignDataError'
}

/** Another process has the data directory open. */
export class LockedDirectoryError extends Error {
  override readonly name = 'LockedDirectoryError'
}

/** The data directory can't be created, read or written; the cause is the system's. */
export class UnusableDirectoryError extends Error {
  override readonly name = 'UnusableDirectoryError'
}

/** A write failed: whether it is on disk is unknown until the next start (fault 27). */
export class FailedDiskError extends Error {
  override readonly name = 'FailedDiskError'
}

/** The refusal of a store that has failed once. */
export function failedDisk(cause: unknown): FailedDiskError {
  if (cause instanceof FailedDiskError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new FailedDiskError(
    `the disk failed (${reason}), and what was being written may or may not be there: stop this node, check disk and free space, start it again`,
    { cause },
  )
}
