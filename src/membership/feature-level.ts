import { membersOf, type NodeId } from '../../raft/index.js'
import type { Command } from '../machine/language/command.js'
import { FEATURE_LEVEL } from '../machine/roster/feature-level.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Replica } from '../replica/replica.js'
import type { ClusterStart } from './cluster-start.js'

export interface FeatureLevelParts {
  readonly self: NodeId
  readonly replica: Replica
  readonly proposals: Proposals
  readonly clusterStart: ClusterStart
  /** What the version of each peer with an open stream knows. */
  readonly levels: () => ReadonlyMap<NodeId, number>
}

/**
 * The leader raises the feature level of the cluster once every member, learners too, runs a version that knows it. From
 * that entry on peers refuse a node with an older one. A new cluster begins on the level of its first leader, so
 * that it has an incarnation, and knows its disks, before it acknowledges anything.
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
    const { replica, proposals, clusterStart } = this.#parts
    const { machine, status } = replica
    if (!status.serving || !replica.isUpToTerm) return
    const level = machine.isNew ? FEATURE_LEVEL : this.#leastOfMembers()
    const commands: Command[] = level > machine.level ? [{ op: 'raise', level }] : []
    commands.push(...clusterStart.commandsAt(Math.max(level, machine.level), machine))
    if (commands.length > 0) proposals.proposeOnce(commands)
  }

  #leastOfMembers(): number {
    const { self, replica, levels } = this.#parts
    const known = levels()
    const ids = membersOf(replica.status.config)
    return Math.min(...ids.map((id) => (id === self ? FEATURE_LEVEL : (known.get(id) ?? 0))))
  }
}
