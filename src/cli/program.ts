import { Command, Option } from 'commander'
import { loadClusterConfig, nodeConfig } from '../platform/config.js'
import { LOG_LEVELS, type LogLevel } from '../platform/logger.js'
import { NUMBERS } from '../platform/member-id.js'
import { version } from '../platform/version.js'
import { DEFAULT_ADDRESSES, duration, ttl, wholeNumber } from './arguments.js'
import { addressesOf, connectOption } from './connect-option.js'
import { devConfig } from './dev.js'
import { HELP } from './help.js'
import { runUnderLock } from './lock.js'
import { showLocks } from './locks.js'
import { addOperations } from './operations.js'
import { runNode } from './run-node.js'
import { showStatus } from './status.js'

/** Told the exit code of the command that ran. */
export type Finish = (exitCode: number) => void

/** The command line. `parseAsync` rejects with what the command rejects with, or with a `CommanderError`. */
export function createProgram(finish: Finish): Command {
  const program = new Command('lockkeeper')
    .description(
      'Locks that survive failures: a small cluster that grants each lock to one holder at a time.',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addOption(
      connectOption().env('LOCKKEEPER_ADDRESSES').default(DEFAULT_ADDRESSES.split(','), DEFAULT_ADDRESSES),
    )
    .addHelpText('after', HELP.program)
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for help)')
    .exitOverride()
  program.commandsGroup('Run nodes:')
  addServe(program, finish)
  addDev(program, finish)
  program.commandsGroup('Use the cluster:')
  addLock(program, finish)
  program.commandsGroup('Look inside:')
  addStatus(program, finish)
  addLocks(program, finish)
  addOperations(program, finish)
  return program
}

interface ServeOptions {
  readonly config: string
  readonly node: number
  readonly join?: boolean
  readonly logLevel: LogLevel
}

function addServe(program: Command, finish: Finish): void {
  program
    .command('serve')
    .summary('run one node of a cluster')
    .description('Runs one node of a cluster in the foreground.')
    .requiredOption('--config <file>', 'the cluster file; see cluster-configs/')
    .requiredOption('--node <id>', 'which node of that file this is', wholeNumber(1, NUMBERS - 1))
    .option('--join', 'start empty, and wait to be added to a cluster that runs')
    .addOption(logLevelOption('info'))
    .addHelpText('after', HELP.serve)
    .action(async ({ config, node, join = false, logLevel }: ServeOptions) => {
      finish(await runNode(nodeConfig(loadClusterConfig(config, join), node), logLevel))
    })
}

function addDev(program: Command, finish: Finish): void {
  program
    .command('dev')
    .summary('run a cluster of one, to try things out')
    .description('Runs a cluster of one node in the foreground, without a configuration file.')
    .option('--port <port>', 'where clients connect; 100 more is its peer port', wholeNumber(1, 65_435), 7101)
    .option('--data <directory>', 'where it keeps its log', './data/dev')
    .addOption(logLevelOption('warn'))
    .addHelpText('after', HELP.dev)
    .action(async ({ port, data, logLevel }: { port: number; data: string; logLevel: LogLevel }) => {
      finish(await runNode(devConfig(port, data), logLevel))
    })
}

interface LockOptions {
  readonly wait?: number
  readonly ttl: number
  readonly label?: string
}

function addLock(program: Command, finish: Finish): void {
  program
    .command('lock')
    .summary('run a command under a lock')
    .description('Runs a command while holding a lock.')
    .usage('[options] <name> -- <command...>')
    .argument('<name>', 'the name of the lock')
    .argument('<command...>', 'the command and its arguments')
    .option(
      '--wait <duration>',
      'give up after this long; 0: only if free now (default: never give up)',
      duration,
    )
    .addOption(ttlOption())
    .option('--label <text>', 'who holds it, for "lockkeeper locks" (default: the command)')
    .addOption(connectOption())
    .addHelpText('after', HELP.lock)
    .action(async (name: string, command: string[], options: LockOptions, self: Command) => {
      const { wait: waitMs, ttl: ttlMs, label = command[0]! } = options
      finish(await runUnderLock({ addresses: addressesOf(self).join(), name, command, ttlMs, waitMs, label }))
    })
}

function addStatus(program: Command, finish: Finish): void {
  program
    .command('status')
    .summary('show the nodes, and who leads')
    .description('Shows every node of the cluster, and who leads.')
    .option('--json', 'one JSON object instead of a table')
    .addOption(connectOption())
    .addHelpText('after', HELP.status)
    .action(async ({ json = false }: { json?: boolean }, self: Command) => {
      finish(await showStatus(addressesOf(self), json))
    })
}

function addLocks(program: Command, finish: Finish): void {
  program
    .command('locks')
    .summary('show who holds what, and who waits')
    .description('Lists the locks that are held or waited for, in the order of their names.')
    .argument('[prefix]', 'only names that begin with this', '')
    .option('--json', 'one JSON object a line instead of a table')
    .addOption(connectOption())
    .addHelpText('after', HELP.locks)
    .action(async (prefix: string, { json = false }: { json?: boolean }, self: Command) => {
      await showLocks(addressesOf(self), prefix, json)
      finish(0)
    })
}

function ttlOption(): Option {
  const description = 'how long the lock stays taken if this machine dies'
  return new Option('--ttl <duration>', description).argParser(ttl).default(10_000, '10s')
}

function logLevelOption(level: LogLevel): Option {
  return new Option('--log-level <level>', 'how much it tells on stderr').choices(LOG_LEVELS).default(level)
}
