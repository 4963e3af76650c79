import type { NodeId, Role } from './types.js'

/** What a role asks of the node, which alone changes roles: so that role files need not know each other. */
export type Turn =
  | 'stay'
  /** Become a follower of nobody in the same term. */
  | 'follow'
  /** Begin a pre-vote (§9.6). */
  | 'rehearse'
  /** Begin an election in the next term (§3.4). */
  | 'campaign'
  /** Begin an election at once, because the leader asked for it (§3.10). */
  | 'take_over'
  /** Elected: begin to lead. */
  | 'lead'

/** What every role can do. What only one can do is in its own class. */
export interface RoleState {
  readonly kind: Role
  /** Who leads in the current term as far as this role knows; `NOBODY` if it doesn't. */
  readonly leader: NodeId
  /** A leader is known to be alive: no help for those who want another (§4.2.3). */
  readonly loyal: boolean
  tick(): Turn
  /** Asks for a read index on behalf of this node's driver (§6.4). */
  read(id: number): void
  /** The stream to `peer` broke. */
  disconnected(peer: NodeId): void
  /** Once at the end of each step: says what the whole batch of inputs amounts to. */
  flush(): void
  /** Before another role takes over: refuses what can no longer be answered. */
  leave(): void
}
