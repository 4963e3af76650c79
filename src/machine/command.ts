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
 * whose acquire still waits is INVALID, without effect.
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
  | Describe
  | Forget
  | Raise
  | Identify
  | Unknown

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

export type Mode = { readonly kind: 'exclusive' }

export interface Acquire extends RequestId {
  readonly op: 'acquire'
  /** At least one, distinct. Granted in all of them at once, or in none. */
  readonly names: readonly string[]
  readonly mode: Mode
  /** How long to stand in the queue; 0: only if free now; undefined: as long as the session lives. */
  readonly waitMs: number | undefined
  /** For people who look at the queue. */
  readonly label: string
}

export interface Release extends RequestId {
  readonly op: 'release'
  readonly token: Token
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

/** A command of a newer version, or bytes that are none: refused the same way on every node. */
export interface Unknown {
  readonly op: 'unknown'
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
}

/** What a command came to, at once. `queued`: an event with this claim will follow. */
export type Verdict =
  | { readonly kind: 'opened'; readonly session: SessionId; readonly ttlMs: number }
  | { readonly kind: 'renewed'; readonly ttlMs: number }
  | { readonly kind: 'closed' }
  | Granted
  | { readonly kind: 'queued'; readonly claim: ClaimId }
  | { readonly kind: 'released' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'described' }
  | { readonly kind: 'forgotten' }
  | { readonly kind: 'raised' }
  | { readonly kind: 'identified' }
  | Refused

export type MachineEvent =
  /** A claim that was queued has been granted, or refused (TIMEOUT, CANCELLED, SESSION_EXPIRED). */
  | { readonly kind: 'decided'; readonly claim: ClaimId; readonly outcome: Granted | Refused }
  /** The session is over; all its claims are gone. */
  | { readonly kind: 'sessionEnded'; readonly session: SessionId; readonly reason: 'expired' | 'closed' }
