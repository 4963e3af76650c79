import { Command, Option } from 'commander'
import { loadClusterConfig, nodeConfig } from '../platform/config.js'
import { LOG_LEVELS, type LogLevel } from '../platform/logger.js'
import { NUMBERS } from '../platform/member-id.js'
import { version } from '../platform/version.js'
import { DEFAULT_ADDRESSES, wholeNumber } from './arguments.js'
import { connectOption } from './connect-option.js'
import { devConfig } from './dev.js'
import { HELP } from './help.js'
import { addOperations } from './operations.js'
import { addInterventions } from './program-interventions.js'
import { addLooks } from './program-looks.js'
import { addUses } from './program-uses.js'
import { runNode } from './run-node.js'

/** Told the exit code of the command that ran. */
export type Finish = (exitCode: number) => void

/**
 * The command line. `parseAsync` rejects with what the command rejects with, or with a `CommanderError`.
 *
 * @param args what it will parse
 */
export function createProgram(finish: Finish, args: readonly string[]): Command {
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
    .hook('preAction', (_, command) => assertDashes(command, args))
  program.commandsGroup('Run nodes:')
  addServe(program, finish)
  addDev(program, finish)
  addUses(program, finish)
  addLooks(program, finish)
  addInterventions(program, finish)
  addOperations(program, finish)
  return program
}

/** What stands behind `--` is the command to run, all of it and nothing else: or a word of it would be taken for a name. */
function assertDashes(command: Command, args: readonly string[]): void {
  const { registeredArguments } = command
  const dashes = args.indexOf('--')
  if (dashes < 0 || !registeredArguments.some(({ variadic }) => variadic)) return
  const wanted = registeredArguments.filter(({ variadic }) => !variadic)
  const given = command.args.length - (args.length - dashes - 1)
  if (given === wanted.length) return
  const names = wanted.map((argument) => `<${argument.name()}>`).join(' ')
  command.error(`error: before -- there must be ${names}, and behind it the command to run`)
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

function logLevelOption(level: LogLevel): Option {
  return new Option('--log-level <level>', 'how much it tells on stderr').choices(LOG_LEVELS).default(level)
}
