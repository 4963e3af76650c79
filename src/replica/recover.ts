import { type Configuration, type Entry, type RaftConfig, RaftNode } from '../../raft/index.js'
import type { Command, Describe } from '../machine/language/command.js'
import type { Machine } from '../machine/machine.js'
import { decodeCommands, decodePayload } from './payload.js'
import type { NodeDisk } from './ports.js'
import { MachineRestorer } from './record-codec.js'

export interface Recovery {
  readonly raft: RaftNode
  /** Of the newest checkpoint. */
  readonly machine: Machine
  /**
   * Where members are by the entries that the machine has yet to apply, oldest first. Before others are reached nobody
   * can know that these are committed; but they are good enough to try.
   */
  readonly addresses: readonly Describe[]
}

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
): Promise<Recovery> {
  const restorer = new MachineRestorer()
  const { hardState, start, entries, checkpoint } = await disk.load(restorer.take)
  const beginning = start ?? { index: 0, term: 0, config: firstMembers }
  if (start === undefined && entries.length === 0) await disk.log.compact(beginning)
  const appliedIndex = (checkpoint ?? beginning).index
  const raft = new RaftNode(config, { hardState, start: beginning, entries, appliedIndex }, random)
  const commands = commandsIn(entries.filter(({ index }) => index > appliedIndex))
  const addresses = commands.filter((command) => command.op === 'describe')
  return { raft, machine: restorer.finish(), addresses }
}

function commandsIn(entries: readonly Entry[]): Command[] {
  const commands: Command[] = []
  for (const { payload, config } of entries) {
    if (payload.length === 0 || config !== undefined) continue
    for (const chunk of decodePayload(payload).chunks) decodeCommands(chunk.commands, chunk.count, commands)
  }
  return commands
}
