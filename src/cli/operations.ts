import type { Command } from 'commander'
import { loadClusterConfig, nodeConfig } from '../platform/config.js'
import { NUMBERS } from '../platform/member-id.js'
import { address, wholeNumber } from './arguments.js'
import { takeBackup } from './backup.js'
import { addressesOf, connectOption } from './connect-option.js'
import { HELP } from './help.js'
import { addMember, promoteMember, removeMember, showMembers, transferLeadership } from './members.js'
import type { Finish } from './program.js'
import { restoreNode } from './restore.js'
import { verify } from './verify.js'

/** A node that was repaired is a member of another id: see `member-id.ts`. */
const memberId = wholeNumber(1, 65_535)

/** The commands of those who run a cluster. */
export function addOperations(program: Command, finish: Finish): void {
  program.commandsGroup('Operate the cluster:')
  addMembers(program, finish)
  addTransfer(program, finish)
  addBackup(program, finish)
  addRestore(program, finish)
  addVerify(program, finish)
}

function addMembers(program: Command, finish: Finish): void {
  const members = program
    .command('members')
    .summary('show the members; add, promote and remove them')
    .description('Shows the members of the cluster as its leader sees them, or changes them.')
    .option('--json', 'one JSON object instead of a table')
    .addOption(connectOption())
    .enablePositionalOptions()
    .addHelpText('after', HELP.members)
    .action(async ({ json = false }: { json?: boolean }, self: Command) => {
      await showMembers(addressesOf(self), json)
      finish(0)
    })
  members
    .command('add')
    .summary('take a node in')
    .description('Takes in a node that was started with --join; when it has caught up, it gets a vote.')
    .argument('<id>', 'its id, which no node of this cluster ever had', wholeNumber(1, NUMBERS - 1))
    .argument('<peer>', 'host:port where the other nodes reach it', address)
    .argument('<client>', 'host:port where clients reach it', address)
    .option('--learner', 'give it no vote yet; see "members promote"')
    .addOption(connectOption())
    .action(
      async (id: number, peerAddress: string, clientAddress: string, options: AddOptions, self: Command) => {
        await addMember(addressesOf(self), { id, peerAddress, clientAddress }, options.learner ?? false)
        finish(0)
      },
    )
  members
    .command('promote')
    .summary('give a learner a vote')
    .description('Gives a vote to a learner that has caught up.')
    .argument('<id>', 'which node', memberId)
    .addOption(connectOption())
    .action(async (id: number, _: object, self: Command) => {
      await promoteMember(addressesOf(self), id)
      finish(0)
    })
  members
    .command('remove')
    .summary('take a node out')
    .description('Takes a node out of the cluster, dead or alive; it may be the leader.')
    .argument('<id>', 'which node', memberId)
    .addOption(connectOption())
    .action(async (id: number, _: object, self: Command) => {
      await removeMember(addressesOf(self), id)
      finish(0)
    })
}

interface AddOptions {
  readonly learner?: boolean
}

function addTransfer(program: Command, finish: Finish): void {
  program
    .command('transfer')
    .summary('let another node lead')
    .description('Hands leadership to another node, without a failed request.')
    .argument('[id]', 'which node (default: the one that has most of the log)', memberId)
    .addOption(connectOption())
    .addHelpText('after', HELP.transfer)
    .action(async (id: number | undefined, _: object, self: Command) => {
      await transferLeadership(addressesOf(self), id ?? 0)
      finish(0)
    })
}

/** It may stand before the command, where it has its default, or after it. */

function addBackup(program: Command, finish: Finish): void {
  program
    .command('backup')
    .summary('write the state of the cluster to a file')
    .description('Writes a backup of the whole cluster, as of now, while it serves.')
    .argument('<file>', 'where to; replaced only when the new one is whole')
    .option('--json', 'one JSON object instead of a sentence')
    .addOption(connectOption())
    .addHelpText('after', HELP.backup)
    .action(async (file: string, { json = false }: { json?: boolean }, self: Command) => {
      await takeBackup(addressesOf(self), file, json)
      finish(0)
    })
}

interface RestoreCommandOptions {
  readonly config: string
  readonly node: number
}

function addRestore(program: Command, finish: Finish): void {
  program
    .command('restore')
    .summary('make a node of a new cluster from a backup')
    .description(
      'Makes the data directory of one node of a new cluster from a backup. Run it once for each node.',
    )
    .argument('<file>', 'the backup, the same for every node')
    .requiredOption('--config <file>', 'the cluster file of the new cluster, with a new cluster.id')
    .requiredOption('--node <id>', 'which node of that file this is', memberId)
    .addHelpText('after', HELP.restore)
    .action(async (file: string, { config, node }: RestoreCommandOptions) => {
      await restoreNode(file, nodeConfig(loadClusterConfig(config), node))
      finish(0)
    })
}

/** It may stand before the command, where it has its default, or after it. */

function addVerify(program: Command, finish: Finish): void {
  program
    .command('verify')
    .summary("check a stopped node's disk")
    .description(
      'Checks everything in the data directory of a node that is stopped, and changes nothing there.',
    )
    .requiredOption('--data <directory>', "the node's data directory")
    .option('--json', 'one JSON object instead of lines')
    .addHelpText('after', HELP.verify)
    .action(async ({ data, json = false }: { data: string; json?: boolean }) => {
      finish(await verify(data, json))
    })
}
