/**
 * The language of the machine: what the log says to it (commands), what it answers at once (verdicts), and
 * what comes to pass later (events). All times are milliseconds of the cluster's clock, which is written in
 * the log.
 */

/** Drawn from a counter in the log, from 1; never used again. */
export type SessionId = number

/** Drawn from a counter in the log when a claim enters its queues; orders claims by arrival. */
export type ClaimId = number

/** Fencing token: greater than every token granted before it in this cluster (P2). From 1. */
export type Token = number

/**
 * A request is known by (session, slot, seq). A session has many slots; in each, requests are numbered
 * upwards and one is in flight at a time. The newest answer of a slot is kept until the next request uses
 * the slot, which says that the answer arrived: exactly-once with memory bounded by the number of slots
 * (NFSv4.1 sessions, RFC 8881 §2.10.6). An acquire is in flight until it is decided: a higher seq in a slot
 * whose acquire still waits is INVALID, without effect, now and whenever it is repeated. Another request under the numbers of
 * the newest is INVALID, too.
 */
export interface RequestId {
  readonly session: SessionId
  /**
   * The session's secret, chosen at random by whoever opened it: nobody acts for another's session by
   * mistake.
   */
  readonly key: number
  readonly slot: number
  readonly seq: number
}

export type Command =
  | OpenSession
  | KeepAlive
  | CloseSession
  | Acquire
  | Release
  | Cancel
  | Update
  | Downgrade
  | ForceRelease
  | RequestRelease
  | Suspend
  | Resume
  | Describe
  | Forget
  | Raise
  | Identify
  | Begin
  | Unknown
  | UnknownRequest

/**
 * Opens a session. Repeated with the same `key` while that session lives, it finds the session it opened,
 * as it was opened (id, TTL, label of the first time), and renews it.
 */
export interface OpenSession {
  readonly op: 'open'
  readonly key: number
  readonly ttlMs: number
  readonly label: string
}

/**
 * The TTL starts anew at the `at` of the entry that holds this. At its deadline, to the millisecond, it is
 * too late.
 */
export interface KeepAlive {
  readonly op: 'keepAlive'
  readonly session: SessionId
  readonly key: number
}

/**
 * Ends the session and everything it holds or waits for. Repeated: SESSION_EXPIRED, which also means
 * closed.
 */
export interface CloseSession {
  readonly op: 'close'
  readonly session: SessionId
  readonly key: number
}

/**
 * What a claim takes of its names, and so whom it gets along with. All claims of a name must be of one use: it is a lock
 * (exclusive and shared), a semaphore of one capacity, or a key of work that is done once.
 */
export type Mode =
  /** Alone: a lock, a leader, a writer. */
  | { readonly kind: 'exclusive' }
  /** Beside others that are shared: a reader. */
  | { readonly kind: 'shared' }
  /** So many of the semaphore's `of` permits. Each grant names its seats, from 0 to `of` - 1. One name. */
  | { readonly kind: 'permits'; readonly permits: number; readonly of: number }
  /** Never waits and is in nobody's way: a member of a group, in order of its token. One name. */
  | { readonly kind: 'member' }

/** What a claim may ask for beyond its mode. */
export interface Terms {
  /** For others to read: the value of a leader, what a member brings. */
  readonly data: string
  /**
   * The task of this session that the claim is for; '' if it does not say. One that would wait for itself, by way of
   * whatever others, is refused with DEADLOCK.
   */
  readonly owner: string
  /** If the owner holds these names already, in this mode or exclusively: that claim is held once more. */
  readonly reentrant: boolean
  /** The greater goes first; 0 to `LIMITS.priorityMax`. */
  readonly priority: number
  /** Ends whoever holds the names, who is told. Exclusive. */
  readonly steal: boolean
  /** The token of a shared claim of this session on the same names, which this exclusive one replaces; 0: of none. */
  readonly upgrades: Token
  /** After the loss of this holder its names rest for so long: time for what it had under way to end. */
  readonly lockDelayMs: number
  /** However soon it is released, its names rest until it would have been held for so long. */
  readonly minHoldMs: number
  /** Of work that is done once: what the work is made of. Exclusive, one name. Undefined: it is no such claim. */
  readonly fingerprint: string | undefined
}

export const NO_TERMS: Terms = Object.freeze({
  data: '',
  owner: '',
  reentrant: false,
  priority: 0,
  steal: false,
  upgrades: 0,
  lockDelayMs: 0,
  minHoldMs: 0,
  fingerprint: undefined,
})

export interface Acquire extends RequestId {
  readonly op: 'acquire'
  /** At least one, distinct. Granted in all of them at once, or in none. */
  readonly names: readonly string[]
  readonly mode: Mode
  /** How long to stand in the queue; 0: only if free now; undefined: as long as the session lives. */
  readonly waitMs: number | undefined
  /** For people who look at the queue. */
  readonly label: string
  /** Undefined: a plain claim. */
  readonly terms?: Terms | undefined
}

/** What becomes of the names, if not the first in line just follows. */
export interface Succession {
  /** The waiting claim that is granted next, before all others; 0: the first in line. */
  readonly heir: ClaimId
  /** The names rest for so long from now. */
  readonly restMs: number
  /** What came of work that is done once: whoever asks for it is given this, for `keepMs`. */
  readonly result: { readonly data: string; readonly keepMs: number } | undefined
}

export interface Release extends RequestId {
  readonly op: 'release'
  readonly token: Token
  /** Undefined: the first in line follows, and nothing stays. */
  readonly succession?: Succession | undefined
}

/** Other data for a claim that is held. */
export interface Update extends RequestId {
  readonly op: 'update'
  readonly token: Token
  readonly data: string
}

/** From exclusive to shared, with the same token. */
export interface Downgrade extends RequestId {
  readonly op: 'downgrade'
  readonly token: Token
}

/** What somebody does about a name that others hold. Operators do, by a session of their own. */
interface Intervention extends RequestId {
  readonly name: string
  /** For people: why, and who. */
  readonly note: string
}

/** Ends a claim that is held; its holder is told, and the next in line follows. */
export interface ForceRelease extends Intervention {
  readonly op: 'forceRelease'
  /** Of one holder or member; 0: all holders. */
  readonly token: Token
}

/** Asks holders to release. Whether they do is up to them. */
export interface RequestRelease extends Intervention {
  readonly op: 'requestRelease'
  /** Of one holder or member; 0: all holders. */
  readonly token: Token
}

/** Nothing more is granted in the name, until it is resumed. Holders go on, and are asked to release. */
export interface Suspend extends Intervention {
  readonly op: 'suspend'
  /** Undefined: until somebody resumes it. */
  readonly forMs: number | undefined
}

export interface Resume extends Intervention {
  readonly op: 'resume'
}

/**
 * Takes back the acquire with this slot and seq, whether it has arrived, waits, or was granted meanwhile.
 * If it has not arrived, it will find itself cancelled when it does. Answered `cancelled`, without effect,
 * if the slot has moved on to a higher seq, or if there is nothing to take back: the acquire was refused,
 * or the request was a release.
 */
export interface Cancel extends RequestId {
  readonly op: 'cancel'
}

/** Where a node of the cluster is reached. Of no session: the cluster says it of itself. */
export interface Describe {
  readonly op: 'describe'
  readonly node: number
  /** 'host:port' for the other nodes. */
  readonly peer: string
  /** 'host:port' for clients. */
  readonly client: string
}

/** The node is no member any more. */
export interface Forget {
  readonly op: 'forget'
  readonly node: number
}

/** All members run a version that knows this feature level, and none may go back behind it any more. */
export interface Raise {
  readonly op: 'raise'
  readonly level: number
}

/** On which disk a node is, once: who comes with its id and another disk later is not the member it was. */
export interface Identify {
  readonly op: 'identify'
  readonly node: number
  /** Drawn at random when the data directory was made. */
  readonly disk: number
}

/** By the leader, once in the life of a cluster: see `incarnation.ts`. */
export interface Begin {
  readonly op: 'begin'
  /** Drawn at random: a whole number from 1 to 2^53 − 1. */
  readonly incarnation: number
  /** By the wall clock of the leader. */
  readonly wallMs: number
}

/** A command of a newer version, or bytes that are none: refused the same way on every node. */
export interface Unknown {
  readonly op: 'unknown'
}

/** The same, if a newer version knows it as a request. Its reply is remembered, as that version remembers it. */
export interface UnknownRequest extends RequestId {
  readonly op: 'unknownRequest'
}

/** One log entry's worth. `at` never decreases from one batch to the next. */
export interface Batch {
  readonly at: number
  readonly commands: readonly Command[]
}

export type RefusalCode =
  | 'TIMEOUT' // the wait limit passed, or the name was not free and waitMs was 0
  | 'CANCELLED' // taken back by its own session
  | 'NOT_HELD' // release: no granted claim of this session has that token
  | 'SESSION_EXPIRED' // was there once: expired or closed
  | 'SESSION_UNKNOWN' // never given out
  | 'SESSION_FOREIGN' // the key is not this session's
  | 'STALE_REQUEST' // the slot has moved on: somebody repeats what was answered long ago
  | 'LIMIT' // a numbered limit is reached
  | 'INVALID' // makes no sense
  | 'CONFLICT' // the name is in other use: another capacity, another fingerprint, suspended
  | 'DEADLOCK' // the owner would wait for itself
  | 'BUSY' // open: a restored cluster has yet to begin; to be repeated
  | 'UNSUPPORTED' // this version does not know it

export interface Refused {
  readonly kind: 'refused'
  readonly code: RefusalCode
  /** For people; says what to do next. */
  readonly message: string
}

export interface Granted {
  readonly kind: 'granted'
  readonly claim: ClaimId
  readonly token: Token
  /** Of a semaphore: which of its places, from 0, are this claim's. */
  readonly seats?: readonly number[] | undefined
}

/** Work that is done once has been done: its result, and the token of the claim under which it was. */
export interface Found {
  readonly kind: 'found'
  readonly token: Token
  readonly data: string
}

/** What a command came to, at once. `queued`: an event with this claim will follow. */
export type Verdict =
  | { readonly kind: 'opened'; readonly session: SessionId; readonly ttlMs: number }
  | { readonly kind: 'renewed'; readonly ttlMs: number }
  | { readonly kind: 'closed' }
  | Granted
  | Found
  | { readonly kind: 'queued'; readonly claim: ClaimId }
  | { readonly kind: 'released' }
  /** `count`: of the claims that it concerned. */
  | { readonly kind: 'done'; readonly count: number }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'described' }
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'raised' }
  | { readonly kind: 'identified' }
  | { readonly kind: 'begun' }
  | Refused

/** How a claim that was queued is decided. */
export type Outcome = Granted | Found | Refused

export type MachineEvent =
  /** A claim that was queued has been granted, answered, or refused (TIMEOUT, CANCELLED, SESSION_EXPIRED, NOT_HELD). */
  | { readonly kind: 'decided'; readonly claim: ClaimId; readonly outcome: Outcome }
  /** Something its holder must know of a claim. */
  | { readonly kind: 'noticed'; readonly session: SessionId; readonly notice: Notice }
  /** The session is over; all its claims are gone. */
  | { readonly kind: 'sessionEnded'; readonly session: SessionId; readonly reason: 'expired' | 'closed' }

export interface Notice {
  /** `lost`: the claim was ended by force. `asked`: please release it. */
  readonly kind: 'lost' | 'asked'
  readonly token: Token
  readonly note: string
}
