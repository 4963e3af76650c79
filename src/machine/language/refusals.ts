import type { RefusalCode, Refused } from './command.js'
import { LIMITS } from './limits.js'

export function refuse(code: RefusalCode, message: string): Refused {
  return { kind: 'refused', code, message }
}

// The frequent ones are one object each: a slot that remembers a refusal remembers a reference.
export const NOT_FREE = refuse('TIMEOUT', 'not free now; to stand in the queue, acquire with a waitMs')
export const WAITED_OUT = refuse('TIMEOUT', 'the wait limit passed; acquire again, or wait longer')
export const CANCELLED = refuse('CANCELLED', 'taken back by its own session; acquire again with a new seq')
export const SESSION_EXPIRED = refuse('SESSION_EXPIRED', 'the session expired or was closed; open a new one')
export const SESSION_UNKNOWN = refuse('SESSION_UNKNOWN', 'no such session was ever opened; open one')
export const SESSION_FOREIGN = refuse(
  'SESSION_FOREIGN',
  'the key is not this session’s; open one of your own',
)
export const STALE_REQUEST = refuse(
  'STALE_REQUEST',
  'the slot has moved on to a higher seq; drop this request',
)
export const SLOT_BUSY = refuse(
  'INVALID',
  'the slot’s acquire still waits; cancel it first, or use another slot',
)
export const OTHER_REQUEST = refuse(
  'INVALID',
  'another request was sent with this slot and seq, and its reply is remembered; send this one with a higher seq',
)
export const UNSUPPORTED = refuse('UNSUPPORTED', 'this version does not know the command; upgrade all nodes')
export const NOT_BEGUN = refuse('BUSY', 'the cluster was restored and has yet to begin; repeat the request')
export const TOKEN_NEVER_GRANTED = refuse(
  'NOT_HELD',
  'this token was never granted; release with the one you got',
)
export const TOKEN_FOREIGN = refuse(
  'NOT_HELD',
  'another session holds this token; only that session releases it',
)
export const NOT_AN_HEIR = refuse(
  'INVALID',
  'the heir must wait for names of this exclusive claim, and for no others; look who waits',
)
export const NOT_SHARED = refuse(
  'INVALID',
  'to upgrade, name the names of a shared claim of this session, and its token',
)
export const NOT_EXCLUSIVE = refuse('INVALID', 'only an exclusive claim can be downgraded')
export const NO_RESULT_HERE = refuse('INVALID', 'a result is for a claim with a fingerprint')
export const NO_REST_HERE = refuse('INVALID', 'who leaves a group leaves no rest; leave out restMs')
export const BASE_GONE = refuse('NOT_HELD', 'the shared claim that was to be upgraded is gone; acquire anew')
export const UPGRADE_BEHIND = refuse(
  'DEADLOCK',
  'another reader waits to upgrade, or an heir to be granted, and each would wait for the other; release, and acquire exclusively',
)
export const NOBODY_HOLDS = refuse('NOT_HELD', 'nobody holds the name, or not with that token; look who does')
export const NOT_SUSPENDED = refuse('NOT_HELD', 'the name is not suspended')
export const TOKEN_GONE = refuse('NOT_HELD', 'released or expired already: treat the lock as lost')
export const FOUND_NO_MORE = refuse(
  'STALE_REQUEST',
  'what this request found is kept no longer; ask anew with a new seq',
)

export function otherUse(name: string, use: string): Refused {
  return refuse('CONFLICT', `'${name}' is in use as ${use}; ask for the same, or use another name`)
}

export function suspended(name: string, note: string): Refused {
  return refuse('CONFLICT', `'${name}' is suspended by an operator: ${note}; wait until it is resumed`)
}

export function limitReached(what: string, max: number): Refused {
  return refuse('LIMIT', `at most ${max} ${what}; use fewer, or release some first`)
}

export const TOO_MANY_REMAINS = limitReached(
  'names that rest, are suspended or keep a result',
  LIMITS.remainsMax,
)
