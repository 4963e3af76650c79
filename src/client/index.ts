/**
 * The client of a Lockkeeper cluster.
 *
 *     const keeper = await connect('127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103')
 *     await using lock = await keeper.lock('orders/42', { waitMs: 5_000 })
 *     await db.query('update orders set … where id = 42 and fence <= $1', [lock.token])
 */

export type {
  Claim,
  GetStatusResponse,
  Intervention,
  Member,
  NameState,
  SessionState,
  Topology,
} from '../protocol/lockkeeper.js'
export type { ArrivalOptions } from './arrivals.js'
export type { ClaimOptions } from './asking.js'
export type { Barrier, EnterOptions } from './barrier.js'
export { connect, connectWith } from './connect.js'
export type { CountDown } from './count-down.js'
export type { CampaignOptions, Candidate, Election, LeaderSeen, Leadership } from './election.js'
export {
  ConnectError,
  DeadlockError,
  type ErrorCode,
  KeeperClosedError,
  LockkeeperError,
  LockLostError,
  LockTimeoutError,
  type RefusalName,
  RefusedError,
  ScheduleOverrunError,
  SessionLostError,
  type Tried,
  UnreachableError,
} from './errors.js'
export type { Follower } from './follow.js'
export type {
  AllMembersSeen,
  Group,
  GroupMember,
  JoinOptions,
  MemberChange,
  Membership,
  MembersSeen,
} from './group.js'
export type { Held, LockState, ReleaseOptions, ReleaseOutcome } from './held.js'
export type { HolderOptions, InterventionOptions, SuspendOptions } from './interventions.js'
export type { Keeper, SessionInfo } from './keeper.js'
export type { Lock, LockOptions, UpgradeOptions } from './lock.js'
export type { OnceOptions } from './once.js'
export type { ConnectOptions } from './options.js'
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
export type { Line } from './reads.js'
export type { Schedule, ScheduledRun, ScheduleOptions } from './schedule.js'
export type { PermitOptions, Permits, Semaphore, SemaphoreOptions } from './semaphore.js'
export type { Duty, SignOfLife } from './stand-in.js'
export type { WaitOptions } from './waiting.js'
export type { ChangeSeen, Sighting, StateSeen, WatchOptions } from './watch.js'
