import type {
  AddMemberRequest,
  AddMemberResponse,
  ClientFrame,
  GetNameRequest,
  GetNameResponse,
  GetStatusRequest,
  GetStatusResponse,
  KeepAliveRequest,
  KeepAliveResponse,
  ListClaimsRequest,
  ListClaimsResponse,
  ListMembersRequest,
  ListMembersResponse,
  ListNamesRequest,
  ListNamesResponse,
  ListSessionsRequest,
  ListSessionsResponse,
  PromoteMemberRequest,
  PromoteMemberResponse,
  RemoveMemberRequest,
  RemoveMemberResponse,
  ServerFrame,
  TransferLeadershipRequest,
  TransferLeadershipResponse,
  WatchPart,
  WatchRequest,
} from '../protocol/lockkeeper.js'
import type { RefusedError, UnreachableError } from './errors.js'
import type { Duty, SignOfLife } from './stand-in.js'

/**
 * What the client needs from the world. A simulation gives it a clock, a network and chance of its own;
 * `connect()` gives it the real ones.
 */
export interface Ports {
  readonly clock: Clock
  readonly connector: Connector
  /** At least 0, less than 1. Also makes the session's key, so it should not be guessable. */
  readonly random: () => number
  /** Has a `StandIn` do this duty in another thread. */
  startStandIn(duty: Duty, owner: StandInOwner): StandInThread
}

/** Never called from within `startStandIn`. */
export interface StandInOwner {
  /** It has renewed the session for the first time. */
  standInReady(): void
  /** The thread has ended without being stopped. */
  standInEnded(reason: string): void
}

/** A `StandIn` in another thread, as its owner sees it. */
export interface StandInThread {
  tell(sign: SignOfLife): void
  /** At once; it renews nothing after this. */
  stop(): void
}

/** What looking takes. */
export type ReaderPorts = Pick<Ports, 'clock' | 'connector' | 'random'>

export interface Clock {
  /**
   * Monotonic milliseconds from an arbitrary origin, the same in all threads; may be fractional. Wall-clock changes do not
   * move it.
   */
  nowMs(): number
  /** Runs `action` once, not before `delayMs` have passed. */
  after(delayMs: number, action: () => void): Timer
  /** Runs `action` at the end of this turn of the event loop. */
  soon(action: () => void): void
}

export interface Timer {
  cancel(): void
}

/** Why a node could not be used: it said no, or it could not be reached. */
export type Problem = RefusedError | UnreachableError

/** Streams and calls to nodes, each by its `host:port`. */
export interface Connector {
  /** Begins a stream at once; whether the node is there shows by the first frame, or by `onClosed`. */
  attach(address: string, handlers: LinkHandlers): Link
  /** Asks one node one question. Rejects with a `Problem`, after `timeoutMs` at the latest. */
  call<M extends ReadMethod>(
    address: string,
    method: M,
    request: Reads[M]['request'],
    timeoutMs: number,
  ): Promise<Reads[M]['response']>
  /**
   * Watches a name at one node, as fast as parts are asked for. Throws a `Problem` when the node ends it, or when the
   * signal does.
   */
  watch(address: string, request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchPart>
  /** Lets go of all that is still open. Nothing is called afterwards. */
  close(): void
}

/** Never called from within `attach` or `send`. */
export interface LinkHandlers {
  readonly onFrame: (frame: ServerFrame) => void
  /** Once, unless `close` was called first. No frame follows. */
  readonly onClosed: (problem: Problem) => void
}

/** One Attach stream. Delivers in order, or breaks. */
export interface Link {
  send(frame: ClientFrame): void
  /** No handler is called after this. */
  close(): void
}

/** Unary calls that may be repeated at will, to any node, and their answers. */
export interface Reads {
  getName: { request: GetNameRequest; response: GetNameResponse }
  listClaims: { request: ListClaimsRequest; response: ListClaimsResponse }
  listSessions: { request: ListSessionsRequest; response: ListSessionsResponse }
  listNames: { request: ListNamesRequest; response: ListNamesResponse }
  getStatus: { request: GetStatusRequest; response: GetStatusResponse }
  keepAlive: { request: KeepAliveRequest; response: KeepAliveResponse }
}

export type ReadMethod = keyof Reads

/** What operators ask of the leader, and its answers. */
export interface Operations {
  addMember: { request: AddMemberRequest; response: AddMemberResponse }
  promoteMember: { request: PromoteMemberRequest; response: PromoteMemberResponse }
  removeMember: { request: RemoveMemberRequest; response: RemoveMemberResponse }
  transferLeadership: { request: TransferLeadershipRequest; response: TransferLeadershipResponse }
  listMembers: { request: ListMembersRequest; response: ListMembersResponse }
}
