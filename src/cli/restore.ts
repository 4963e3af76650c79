import { restoreBackup } from '../backup/restore.js'
import type { NodeConfig } from '../platform/config.js'

/** Makes the data directory of a node from a backup, and prints what it is. Rejects as `restoreBackup` does. */
export async function restoreNode(file: string, config: NodeConfig): Promise<void> {
  const { id, clusterId, data, nodes } = config
  const voters = nodes.map((node) => node.id)
  const target = { clusterId, nodeId: id, voters, directory: data, nowMs: Date.now() }
  const { from, takenAt, index, nextToken } = await restoreBackup(file, target)
  process.stdout.write(
    `${data}: node ${id} of cluster ${clusterId}, from cluster ${from} as of ${takenAt} (entry ${index}); tokens go on from ${nextToken} or more, by the clock of the first leader\n`,
  )
}
