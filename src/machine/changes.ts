import type { SessionId, Token } from './language/command.js'
import type { Claim } from './queues.js'

/** Why a claim has left; '' while it has not. */
export type Reason =
  | ''
  | 'released'
  | 'expired'
  | 'closed'
  | 'cancelled'
  | 'timeout'
  | 'forced'
  | 'upgraded'
  | 'found'

/** What happened to one claim in one name, for those who watch the name. The claim as it was then. */
export interface Change {
  /** Counts the changes of all names, from 1; the same on every node. */
  readonly revision: number
  readonly kind: 'queued' | 'granted' | 'updated' | 'left'
  readonly name: string
  /** Cluster clock. */
  readonly at: number
  /** What may change of it later is told beside it. */
  readonly claim: Claim
  readonly session: SessionId
  readonly token: Token | undefined
  readonly mode: Claim['mode']
  readonly data: string
  readonly reason: Reason
  /** How long it had waited when it was granted, or had waited or held when it left, in ms; otherwise 0. */
  readonly tookMs: number
}
