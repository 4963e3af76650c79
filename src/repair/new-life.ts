import { join } from 'node:path'
import type { MembersSeen } from '../client/operator.js'
import { renewNodeDisk, SET_ASIDE } from '../node-disk/index.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import { nextLife, numberOf } from '../platform/member-id.js'

/**
 * Puts an empty disk in place of this node's, of its next life as the members tell it. Rejects if the node is no member any
 * more, or of another cluster.
 */
export async function beginNewLife(config: NodeConfig, seen: MembersSeen, logger: Logger): Promise<void> {
  const { id, clusterId, data } = config
  if (seen.clusterId === '') throw new Error('the leader runs a version without repair: upgrade it first')
  if (seen.clusterId !== clusterId) {
    throw new Error(`its file says cluster '${clusterId}', and the nodes in it are of '${seen.clusterId}'`)
  }
  const lives = seen.members.filter((member) => numberOf(member.id) === id).sort((a, b) => a.id - b.id)
  const last = lives.at(-1)
  if (last === undefined) {
    throw new Error(
      `node ${id} is no member any more: see "lockkeeper members", and add it as a new node, with a new number`,
    )
  }
  const member = nextLife(last.id)
  await renewNodeDisk(data, { clusterId, nodeId: member, votes: last.voter })
  logger.warn({ member, kept: join(data, SET_ASIDE) }, 'the node begins anew, empty, as another member')
}
