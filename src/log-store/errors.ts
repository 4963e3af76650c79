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
