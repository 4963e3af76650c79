import { DamagedBackupError } from '../backup/format.js'
import { SameClusterError } from '../backup/restore.js'
import { LockkeeperError } from '../client/index.js'
import { ClockBehindError } from '../platform/clock-behind.js'
import { ConfigError } from '../platform/config.js'
import { CliError, EXIT } from './exit-codes.js'

/** Puts sentences for people on stderr. */
export function complain(text: string): void {
  process.stderr.write(`lockkeeper: ${text}\n`)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code to exit with after `error`. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode
  const isConfig =
    error instanceof ConfigError || error instanceof SameClusterError || error instanceof ClockBehindError
  if (isConfig) return EXIT.config
  if (error instanceof DamagedBackupError) return EXIT.damaged
  if (error instanceof LockkeeperError) return EXIT_OF_CLIENT[error.code] ?? EXIT.fatal
  return EXIT.fatal
}

/** Those that are missing here are faults of ours, or of the cluster. */
const EXIT_OF_CLIENT: Readonly<Partial<Record<LockkeeperError['code'], number>>> = {
  TIMEOUT: EXIT.notNow,
  // The session ended while we waited.
  SESSION_LOST: EXIT.notNow,
  SESSION_EXPIRED: EXIT.notNow,
  LOCK_LOST: EXIT.lost,
  // Somebody else's doing; it may be otherwise later.
  NOT_HELD: EXIT.notNow,
  CONFLICT: EXIT.notNow,
  DEADLOCK: EXIT.notNow,
  LIMIT: EXIT.usage,
  INVALID: EXIT.usage,
  WRONG_CLUSTER: EXIT.config,
  NOT_CONNECTED: EXIT.unavailable,
  UNREACHABLE: EXIT.unavailable,
  NO_LEADER: EXIT.unavailable,
  STOPPING: EXIT.unavailable,
  NOT_READY: EXIT.notNow,
  BUSY: EXIT.unavailable,
}
