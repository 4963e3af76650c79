import type { Command } from 'commander'
import { addressesOf, connectOption } from './connect-option.js'
import { HELP } from './help.js'
import { showLocks } from './locks.js'
import type { Finish } from './program.js'
import { showSessions } from './sessions.js'
import { showName } from './show.js'
import { showStatus } from './status.js'
import { watchName } from './watch.js'

interface JsonOption {
  readonly json?: boolean
}

/** The commands of those who want to know. */
export function addLooks(program: Command, finish: Finish): void {
  program.commandsGroup('Look inside:')
  addStatus(program, finish)
  addLocks(program, finish)
  addShow(program, finish)
  addSessions(program, finish)
  addWatch(program, finish)
}

function addStatus(program: Command, finish: Finish): void {
  program
    .command('status')
    .summary('show the nodes, and who leads')
    .description('Shows every node of the cluster, and who leads.')
    .option('--json', 'one JSON object instead of a table')
    .addOption(connectOption())
    .addHelpText('after', HELP.status)
    .action(async ({ json = false }: JsonOption, self: Command) => {
      finish(await showStatus(addressesOf(self), json))
    })
}

function addLocks(program: Command, finish: Finish): void {
  program
    .command('locks')
    .summary('show who holds what, and who waits')
    .description('Lists the names that are held, waited for or otherwise in use, in their order.')
    .argument('[prefix]', 'only names that begin with this', '')
    .option('--json', 'one JSON object a line instead of a table')
    .addOption(connectOption())
    .addHelpText('after', HELP.locks)
    .action(async (prefix: string, { json = false }: JsonOption, self: Command) => {
      await showLocks(addressesOf(self), prefix, json)
      finish(0)
    })
}

function addShow(program: Command, finish: Finish): void {
  program
    .command('show')
    .summary('show one name: holders, the whole queue, what was done about it')
    .description('Shows all there is to know of one name.')
    .argument('<name>', 'which name')
    .option('--json', 'one JSON object instead of tables')
    .addOption(connectOption())
    .addHelpText('after', HELP.show)
    .action(async (name: string, { json = false }: JsonOption, self: Command) => {
      await showName(addressesOf(self), name, json)
      finish(0)
    })
}

function addSessions(program: Command, finish: Finish): void {
  program
    .command('sessions')
    .summary('show who is connected, and how much each holds')
    .description('Lists the sessions that live, in the order in which they were opened.')
    .option('--json', 'one JSON object a line instead of a table')
    .addOption(connectOption())
    .addHelpText('after', HELP.sessions)
    .action(async ({ json = false }: JsonOption, self: Command) => {
      await showSessions(addressesOf(self), json)
      finish(0)
    })
}

function addWatch(program: Command, finish: Finish): void {
  program
    .command('watch')
    .summary('show a name, and each change of it')
    .description('Shows a name, and then each change of it, in order, until it is interrupted.')
    .argument('<name>', 'which name')
    .option('--json', 'one JSON object a line')
    .addOption(connectOption())
    .addHelpText('after', HELP.watch)
    .action(async (name: string, { json = false }: JsonOption, self: Command) => {
      await watchName(addressesOf(self), name, json)
      finish(0)
    })
}
