import { type Configuration, type RaftConfig, RaftNode } from '../../raft/index.js'
import type { Machine } from '../machine/machine.js'
import type { NodeDisk } from './ports.js'
import { MachineRestorer } from './record-codec.js'

/**
 * What a node was when it stopped: the machine of its newest checkpoint, and the log that leads on from there.
 * `firstMembers` are those that a node without any past begins with; from then on they are what its disk says, whatever
 * it is started with. Rejects as `NodeDisk.load` does.
 */
export async function recover(
  disk: NodeDisk,
  config: RaftConfig,
  firstMembers: Configuration,
  random: () => number,
): Promise<{ raft: RaftNode; machine: Machine }> {
  const restorer = new MachineRestorer()
  const { hardState, start, entries, checkpoint } = await disk.load(restorer.take)
  const beginning = start ?? { index: 0, term: 0, config: firstMembers }
  if (start === undefined && entries.length === 0) await disk.log.compact(beginning)
  const appliedIndex = (checkpoint ?? beginning).index
  const raft = new RaftNode(config, { hardState, start: beginning, entries, appliedIndex }, random)
  return { raft, machine: restorer.finish() }
}
