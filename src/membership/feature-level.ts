import { membersOf, type NodeId } from '../../raft/index.js'
import { FEATURE_LEVEL } from '../machine/feature-level.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Replica } from '../replica/replica.js'
import { Announcement } from './announcement.js'

export interface FeatureLevelParts {
  readonly self: NodeId
  readonly replica: Replica
  readonly proposals: Proposals
  /** What the version of each peer with an open stream knows. */
  readonly levels: () => ReadonlyMap<NodeId, number>
}

/**
 * The leader raises the feature level of the cluster once every member, learners too, runs a version that knows it. From
 * that entry on peers turn away whoever comes with an older one.
 */
export class FeatureLevel {
  readonly #parts: FeatureLevelParts
  readonly #announcement: Announcement

  constructor(parts: FeatureLevelParts) {
    this.#parts = parts
    this.#announcement = new Announcement(parts.proposals)
  }

  /** Leadership, the members or their versions may have changed. */
  onNews(): void {
    const { self, replica, levels } = this.#parts
    const { serving, config } = replica.status
    if (!serving || !replica.isUpToTerm || replica.machine.level >= FEATURE_LEVEL) return
    const known = levels()
    const least = Math.min(
      ...membersOf(config).map((id) => (id === self ? FEATURE_LEVEL : (known.get(id) ?? 0))),
    )
    if (least > replica.machine.level) this.#announcement.make({ op: 'raise', level: least })
  }
}
