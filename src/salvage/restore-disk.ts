import { type DiskRemains, restoreNodeDisk } from '../node-disk/index.js'
import type { NodeConfig } from '../platform/config.js'
import { numberOf } from '../platform/member-id.js'
import type { IntactParts } from '../replica/ports.js'
import { type Footing, type Restoration, restoration, UnrestorableError } from './restoration.js'

/**
 * Restores the disk of a node, of which `remains` are what is left, with what `peers` have. Rejects with an
 * `UnrestorableError`, and nothing is touched, if it can't be for certain what it was; else as the peers' checkpoints do.
 */
export async function restoreDisk(
  { data, clusterId, id }: Pick<NodeConfig, 'data' | 'clusterId' | 'id'>,
  remains: DiskRemains,
  peers: readonly IntactParts[],
): Promise<Restoration> {
  const { identity, end, beginning } = remains.log
  if (identity === undefined) throw new UnrestorableError('there is no telling which member it was')
  if (identity.clusterId !== clusterId || numberOf(identity.nodeId) !== id) {
    throw new UnrestorableError(
      `${data} belongs to node ${identity.nodeId} of cluster '${identity.clusterId}': correct the configuration`,
    )
  }
  if (end === undefined) {
    throw new UnrestorableError(
      'what this node promised last is lost, perhaps a vote, or entries that nobody else has',
    )
  }
  const sources = [remains, ...peers]
  const footings: Footing[] = beginning === undefined ? [] : [{ start: beginning, checkpoint: undefined }]
  try {
    for (const source of sources) {
      const checkpoint = await source.openCheckpoint()
      if (checkpoint !== undefined) footings.push({ start: checkpoint.start, checkpoint })
    }
    const restored = await restoration(end, footings, sources)
    await restoreNodeDisk(data, { identity, ...restored })
    return restored
  } finally {
    for (const { checkpoint } of footings) await checkpoint?.close()
  }
}
