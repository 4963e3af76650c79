import { membersOf, type NodeId } from '../../raft/index.js'
import { FEATURE_LEVEL } from '../machine/roster/feature-level.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Replica } from '../replica/replica.js'

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

  constructor(parts: FeatureLevelParts) {
    this.#parts = parts
  }

  /**
   * Leadership, the members or their versions may have changed. What is proposed goes into the log of this leader or nowhere: a
   * word that is repeated at the next one may come when a member runs the old version again.
   */
  onNews(): void {
    const { self, replica, proposals, levels } = this.#parts
    const { serving, config } = replica.status
    if (!serving || !replica.isUpToTerm || replica.machine.level >= FEATURE_LEVEL) return
    const known = levels()
    const least = Math.min(
      ...membersOf(config).map((id) => (id === self ? FEATURE_LEVEL : (known.get(id) ?? 0))),
    )
    if (least > replica.machine.level) proposals.proposeOnce({ op: 'raise', level: least })
  }
}
