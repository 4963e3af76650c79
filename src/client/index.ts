/**
 * The client of a Lockkeeper cluster.
 *
 *     const keeper = await connect('127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103')
 *     await using lock = await keeper.lock('orders/42', { waitMs: 5_000 })
 *     await db.query('update orders set … where id = 42 and fence <= $1', [lock.token])
 */

export type { Claim, GetStatusResponse, Member, NameState, Topology } from '../protocol/lockkeeper.js'
export { connect, connectWith } from './connect.js'
export {
  ConnectError,
  type ErrorCode,
  KeeperClosedError,
  LockkeeperError,
  LockLostError,
  LockTimeoutError,
  type RefusalName,
  RefusedError,
  SessionLostError,
  type Tried,
  UnreachableError,
} from './errors.js'
export type { Keeper, SessionInfo } from './keeper.js'
export type { Lock, LockState, ReleaseOutcome } from './lock.js'
export type { ConnectOptions, LockOptions } from './options.js'
export type {
  Clock,
  Connector,
  Link,
  LinkHandlers,
  Ports,
  Problem,
  ReadMethod,
  Reads,
  StandInOwner,
  StandInThread,
  Timer,
} from './ports.js'
export type { Duty, SignOfLife } from './stand-in.js'
