export { assert, InvariantError } from './assert.js'
export { checkConfig, RAFT_DEFAULTS, type RaftConfig } from './config.js'
export { ClusterWitness, checkLog, checkState, checkTransition, type NodeView } from './invariants.js'
export type { Input, Outgoing, Output, ReadVerdict, Status, Write } from './io.js'
export type {
  Append,
  AppendResult,
  Commit,
  Message,
  ReadRequest,
  ReadResult,
  Vote,
  VoteResult,
} from './message.js'
export { RaftNode } from './node.js'
export type { Recovered } from './server.js'
export {
  type Configuration,
  type Entry,
  type HardState,
  type LogIndex,
  type LogStart,
  NOBODY,
  type NodeId,
  type Role,
  type Term,
} from './types.js'
