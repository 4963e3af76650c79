export { assert, InvariantError } from './assert.js'
export { checkConfig, RAFT_DEFAULTS, type RaftConfig } from './config.js'
export { checkLog, checkState, checkTransition, type NodeView } from './invariants.js'
export type {
  FollowerProgress,
  IgnoredReason,
  IgnoredRequest,
  Input,
  Outgoing,
  Output,
  ReadVerdict,
  Request,
  Status,
  Violation,
  ViolationReason,
  Write,
} from './io.js'
export { entryBytes, type Recovered } from './log.js'
export { isJoint, isSane, isVoter, membersOf, NO_MEMBERS, reached } from './membership.js'
export type {
  Append,
  AppendResult,
  Commit,
  Message,
  ReadRequest,
  ReadResult,
  TimeoutNow,
  Vote,
  VoteResult,
} from './message.js'
export { RaftNode } from './node.js'
export {
  type Configuration,
  type Entry,
  type HardState,
  type LogIndex,
  type LogStart,
  type Members,
  NOBODY,
  type NodeId,
  type Role,
  TERM_MAX,
  type Term,
} from './types.js'
export { ClusterWitness } from './witness.js'
