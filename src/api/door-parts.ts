import type { Logger } from 'pino'
import type { Attachments } from '../attachments/attachments.js'
import type { Directory } from '../membership/directory.js'
import type { Membership } from '../membership/membership.js'
import type { WorkQueue } from '../platform/work-queue.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Clock } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'
import type { Reserves } from '../reserves/reserves.js'

/** What a door is made of. */
export interface DoorParts {
  readonly clusterId: string
  readonly nodeId: number
  readonly version: string
  readonly directory: Directory
  readonly membership: Membership
  readonly replica: Replica
  readonly proposals: Proposals
  readonly attachments: Attachments
  readonly reserves: Reserves
  readonly clock: Clock
  /** Whatever may be much: requests, replies, pages, watches. */
  readonly workQueue: WorkQueue
  /** Peers with a live stream. */
  readonly connected: () => ReadonlySet<number>
  readonly logger: Logger
}
