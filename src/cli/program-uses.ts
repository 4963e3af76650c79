import { type Command, Option } from 'commander'
import { duration, ttl, wholeNumber } from './arguments.js'
import { addressesOf, connectOption } from './connect-option.js'
import { runWhileLeading } from './elect.js'
import { CliError, EXIT } from './exit-codes.js'
import { HELP } from './help.js'
import { runUnderLock } from './lock.js'
import { runOnce } from './once.js'
import type { Finish } from './program.js'
import { joinQueue, listQueue, watchQueue } from './queue.js'

const CAPACITY_MAX = 65_536
const PERMITS_MAX = 1_024
const PRIORITY_MAX = 255
/** What only a lock can be asked for. */
const NOT_OF_PERMITS = ['shared', 'steal', 'minHold', 'lockDelay']

/** The commands of those who coordinate. */
export function addUses(program: Command, finish: Finish): void {
  program.commandsGroup('Use the cluster:')
  addLock(program, finish)
  addElect(program, finish)
  addOnce(program, finish)
  addQueue(program, finish)
}

interface LockOptions {
  readonly and: readonly string[]
  readonly shared?: boolean
  readonly permits?: number
  readonly of?: number
  readonly wait?: number
  readonly priority: number
  readonly steal?: boolean
  readonly minHold: number
  readonly lockDelay: number
  readonly ttl: number
  readonly label?: string
}

function addLock(program: Command, finish: Finish): void {
  program
    .command('lock')
    .summary('run a command under a lock')
    .description('Runs a command while holding a lock, or permits of a semaphore.')
    .usage('[options] <name> -- <command...>')
    .argument('<name>', 'the name of the lock')
    .argument('<command...>', 'the command and its arguments')
    .option('--and <name>', 'and this name, all or none; may be repeated', collect, [])
    .option('--shared', 'beside others that are shared, as readers')
    .addOption(
      new Option('--permits <n>', 'so many permits of a semaphore (default: 1)')
        .argParser(wholeNumber(1, PERMITS_MAX))
        .conflicts(NOT_OF_PERMITS),
    )
    .addOption(
      new Option('--of <capacity>', 'how many permits the semaphore has, the same for all who use it')
        .argParser(wholeNumber(1, CAPACITY_MAX))
        .conflicts(NOT_OF_PERMITS),
    )
    .addOption(waitOption())
    .option('--priority <n>', 'the greater goes first, 0 to 255', wholeNumber(0, PRIORITY_MAX), 0)
    .addOption(new Option('--steal', 'take it from whoever holds it').conflicts('shared'))
    .option('--min-hold <duration>', 'the name rests until it would have been held for so long', duration, 0)
    .option('--lock-delay <duration>', 'if this holder is lost, the name rests for so long', duration, 0)
    .addOption(ttlOption())
    .option('--label <text>', 'who holds it, for "lockkeeper locks" (default: the command)')
    .addOption(connectOption())
    .addHelpText('after', HELP.lock)
    .action(async (name: string, command: string[], options: LockOptions, self: Command) => {
      const { and, shared = false, wait: waitMs, ttl: ttlMs, priority, steal = false } = options
      const { minHold: minHoldMs, lockDelay: lockDelayMs, label = command[0]! } = options
      const standing = { label, priority, steal, minHoldMs, lockDelayMs }
      const request = {
        addresses: addressesOf(self).join(),
        names: [name, ...and],
        command,
        ttlMs,
        shared,
        permits: permitsOf(options),
        options: { ...standing, ...(waitMs !== undefined && { waitMs }) },
      }
      finish(await runUnderLock(request))
    })
}

/** @throws CliError for what contradicts itself */
function permitsOf({ permits, of, and }: LockOptions): { count: number; of: number } | undefined {
  if (permits === undefined && of === undefined) return undefined
  if (of === undefined) throw new CliError(EXIT.usage, 'How many permits are there? Add --of <capacity>.')
  if (and.length > 0) throw new CliError(EXIT.usage, 'A semaphore has one name. Leave out --and.')
  return { count: permits ?? 1, of }
}

interface ElectOptions {
  readonly wait?: number
  readonly ttl: number
  readonly label?: string
}

function addElect(program: Command, finish: Finish): void {
  program
    .command('elect')
    .summary('stand for election, and run a command while leading')
    .description(
      'Stands for election, and runs a command only while leading; without one, leads until stopped.',
    )
    .usage('[options] <name> <value> [-- <command...>]')
    .argument('<name>', 'the name of the election')
    .argument('<value>', 'what all who observe it see of the leader, such as its address')
    .argument('[command...]', 'the command and its arguments')
    .addOption(waitOption())
    .addOption(ttlOption())
    .option('--label <text>', 'who leads, for "lockkeeper show" (default: the command)')
    .addOption(connectOption())
    .addHelpText('after', HELP.elect)
    .action(async (name: string, value: string, command: string[], options: ElectOptions, self: Command) => {
      const { wait: waitMs, ttl: ttlMs, label = command[0] ?? '' } = options
      const addresses = addressesOf(self).join()
      finish(await runWhileLeading({ addresses, name, value, command, ttlMs, waitMs, label }))
    })
}

interface OnceOptions extends ElectOptions {
  readonly keep: number
  readonly fingerprint?: string
}

function addOnce(program: Command, finish: Finish): void {
  program
    .command('once')
    .summary('run a command unless it has been run')
    .description(
      'Runs a command unless it has been run with this key; then prints what it wrote to its stdout.',
    )
    .usage('[options] <key> -- <command...>')
    .argument('<key>', 'what is to be done once')
    .argument('<command...>', 'the command and its arguments')
    .option('--keep <duration>', 'how long it counts as done', duration, 24 * 60 * 60 * 1000)
    .option('--fingerprint <text>', 'what the work is made of; other work is refused (default: the command)')
    .addOption(waitOption())
    .addOption(ttlOption())
    .option('--label <text>', 'who runs it, for "lockkeeper show" (default: the command)')
    .addOption(connectOption())
    .addHelpText('after', HELP.once)
    .action(async (key: string, command: string[], options: OnceOptions, self: Command) => {
      const { keep: keepMs, fingerprint, wait: waitMs, ttl: ttlMs, label = command[0]! } = options
      const addresses = addressesOf(self).join()
      finish(await runOnce({ addresses, key, command, keepMs, fingerprint, ttlMs, waitMs, label }))
    })
}

function addQueue(program: Command, finish: Finish): void {
  const queue = program
    .command('queue')
    .summary('join a queue of members; list it, watch it')
    .description('A queue of members in the order in which they joined, each as long as its session lives.')
    .addHelpText('after', HELP.queue)
  addJoin(queue, finish)
  queue
    .command('list')
    .summary('show the members, in order')
    .description('Shows the members in the order in which they joined.')
    .argument('<name>', 'the name of the queue')
    .option('--json', 'one JSON object a line instead of a table')
    .addOption(connectOption())
    .action(async (name: string, { json = false }: { json?: boolean }, self: Command) => {
      await listQueue(addressesOf(self), name, json)
      finish(0)
    })
  queue
    .command('watch')
    .summary('show the members, and who comes and goes')
    .description('Shows the members, and then each change, in order, until it is interrupted.')
    .argument('<name>', 'the name of the queue')
    .option('--json', 'one JSON object a line')
    .addOption(connectOption())
    .action(async (name: string, { json = false }: { json?: boolean }, self: Command) => {
      await watchQueue(addressesOf(self), name, json)
      finish(0)
    })
}

function addJoin(queue: Command, finish: Finish): void {
  queue
    .command('join')
    .summary('join, and stay while a command runs')
    .description('Joins, and stays while a command runs; without one, until it is stopped.')
    .usage('[options] <name> [-- <command...>]')
    .argument('<name>', 'the name of the queue')
    .argument('[command...]', 'the command and its arguments')
    .option('--data <text>', 'what the others see of this member', '')
    .addOption(ttlOption())
    .option('--label <text>', 'who it is, for "lockkeeper show" (default: the command)')
    .addOption(connectOption())
    .action(
      async (
        name: string,
        command: string[],
        options: { data: string; ttl: number; label?: string },
        self: Command,
      ) => {
        const { data, ttl: ttlMs, label = command[0] ?? '' } = options
        const addresses = addressesOf(self).join()
        finish(await joinQueue({ addresses, name, data, command, ttlMs, label }))
      },
    )
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text]
}

function waitOption(): Option {
  const description = 'give up after this long; 0: only if free now (default: never give up)'
  return new Option('--wait <duration>', description).argParser(duration)
}

function ttlOption(): Option {
  const description = 'how long the name stays taken if this machine dies'
  return new Option('--ttl <duration>', description).argParser(ttl).default(10_000, '10s')
}
