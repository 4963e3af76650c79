import type { RefusalCode } from '../protocol/lockkeeper.js'

/** The codes a cluster refuses with, as in the contract (`RefusalCode` in lockkeeper.proto). */
export type RefusalName = Exclude<keyof typeof RefusalCode, 'REFUSAL_CODE_UNSPECIFIED'>

/** The cluster's refusals, and what only a client can find out. */
export type ErrorCode =
  | RefusalName
  | 'UNREACHABLE'
  | 'NOT_CONNECTED'
  | 'LOCK_LOST'
  | 'SESSION_LOST'
  | 'CLOSED'

/** Every error this client throws of its own accord. `code` is for programs, `message` says what to do next. */
export class LockkeeperError extends Error {
  override readonly name: string = 'LockkeeperError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** The cluster answered, and the answer is no. */
export class RefusedError extends LockkeeperError {
  override readonly name: string = 'RefusedError'
  declare readonly code: RefusalName

  constructor(code: RefusalName, message: string) {
    super(code, message === '' ? `the cluster refused: ${code}` : message)
  }
}

/** The claim's owner would wait for itself, by way of whatever others; the message says by whose. */
export class DeadlockError extends RefusedError {
  override readonly name = 'DeadlockError'

  constructor(message: string) {
    super('DEADLOCK', message)
  }
}

/** One node could not be asked: no connection, a broken one, or no answer in time. */
export class UnreachableError extends LockkeeperError {
  override readonly name = 'UnreachableError'

  constructor(message: string) {
    super('UNREACHABLE', message)
  }
}

/** What was tried at one address, and how the last attempt failed. */
export interface Tried {
  readonly address: string
  readonly attempts: number
  readonly problem: string
}

/** No node could be used within the time given. */
export class ConnectError extends LockkeeperError {
  override readonly name = 'ConnectError'
  readonly tried: readonly Tried[]

  constructor(timeoutMs: number, tried: readonly Tried[]) {
    super(
      'NOT_CONNECTED',
      `no node of the cluster could be used within ${Math.round(timeoutMs)} ms; tried: ${describe(tried)}. ` +
        'Check the addresses, and that a majority of the nodes is running',
    )
    this.tried = tried
  }
}

/** The lock was not granted within `waitMs`. Nothing is left in the queue. */
export class LockTimeoutError extends LockkeeperError {
  override readonly name = 'LockTimeoutError'

  constructor(names: readonly string[], waitMs: number) {
    super('TIMEOUT', `${quote(names)} was not granted within ${waitMs} ms; wait longer, or do without`)
  }
}

/** This handle protects nothing any more: another may hold the lock now. */
export class LockLostError extends LockkeeperError {
  override readonly name = 'LockLostError'
  readonly token: number
  /** If it was taken by force: what those said who took it. */
  readonly note: string | undefined

  constructor(names: readonly string[], token: number, reason: string, note?: string) {
    super(
      'LOCK_LOST',
      `the lock on ${quote(names)} (token ${token}) was lost: ${reason}. ` +
        'Stop the work it protected; acquire it again before going on',
    )
    this.token = token
    this.note = note
  }
}

/** A scheduled run took longer than it may. Another host may run now. */
export class ScheduleOverrunError extends LockkeeperError {
  override readonly name = 'ScheduleOverrunError'

  constructor(name: string, atMostMs: number) {
    super(
      'TIMEOUT',
      `a run of ${quote([name])} took longer than ${atMostMs} ms; end it, or let it take longer`,
    )
  }
}

/** The session is over, and all that it held or waited for is gone. The next `lock()` opens a new session. */
export class SessionLostError extends LockkeeperError {
  override readonly name = 'SessionLostError'

  constructor(reason: string) {
    super('SESSION_LOST', `the session was lost: ${reason}. Ask again: the next lock() opens a new session`)
  }
}

/** The keeper was closed by this program. */
export class KeeperClosedError extends LockkeeperError {
  override readonly name = 'KeeperClosedError'

  constructor() {
    super('CLOSED', 'this keeper has been closed; connect() again')
  }
}

/** "127.0.0.1:7101 (3 times, connection refused), …", for messages. */
export function describe(tried: readonly Tried[]): string {
  if (tried.length === 0) return 'none'
  return tried
    .map(
      ({ address, attempts, problem }) =>
        `${address} (${attempts === 1 ? 'once' : `${attempts} times`}: ${problem})`,
    )
    .join(', ')
}

function quote(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(' and ')
}
