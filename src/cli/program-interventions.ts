import type { Command } from 'commander'
import { duration, wholeNumber } from './arguments.js'
import { addressesOf, connectOption } from './connect-option.js'
import { HELP } from './help.js'
import { counted, intervene } from './interventions.js'
import { print } from './looking.js'
import type { Finish } from './program.js'

interface NoteOption {
  readonly note?: string
}

interface HolderOption extends NoteOption {
  readonly token?: number
}

const token = wholeNumber(1, Number.MAX_SAFE_INTEGER)
const NOTE = 'for people: why, and who you are'
const TOKEN = 'of one holder or member (default: all holders)'

/** The commands of those who have to step in. */
export function addInterventions(program: Command, finish: Finish): void {
  program.commandsGroup('Step in:')
  addRequestRelease(program, finish)
  addForceRelease(program, finish)
  addSuspend(program, finish)
  addResume(program, finish)
}

function addRequestRelease(program: Command, finish: Finish): void {
  program
    .command('request-release')
    .summary('ask holders to release a name')
    .description('Asks those who hold a name to release it. Whether they do is up to them.')
    .argument('<name>', 'which name')
    .option('--token <token>', TOKEN, token)
    .option('--note <text>', NOTE)
    .addOption(connectOption())
    .addHelpText('after', HELP['request-release'])
    .action(async (name: string, options: HolderOption, self: Command) => {
      await intervene(addressesOf(self), async (keeper) =>
        print(`${counted(await keeper.requestRelease(name, options), 'asked to release')} "${name}".`),
      )
      finish(0)
    })
}

function addForceRelease(program: Command, finish: Finish): void {
  program
    .command('force-release')
    .summary('take a name from its holders')
    .description('Ends the claims of those who hold a name; they are told, and the next in line follows.')
    .argument('<name>', 'which name')
    .option('--token <token>', TOKEN, token)
    .option('--note <text>', NOTE)
    .addOption(connectOption())
    .addHelpText('after', HELP['force-release'])
    .action(async (name: string, options: HolderOption, self: Command) => {
      await intervene(addressesOf(self), async (keeper) =>
        print(`${counted(await keeper.forceRelease(name, options), 'ended')} on "${name}".`),
      )
      finish(0)
    })
}

interface SuspendOption extends NoteOption {
  readonly for?: number
}

function addSuspend(program: Command, finish: Finish): void {
  program
    .command('suspend')
    .summary('grant a name to nobody for a while')
    .description('Grants nothing more in a name. Those who hold it go on, and are asked to release it.')
    .argument('<name>', 'which name')
    .option('--for <duration>', 'for how long (default: until it is resumed)', duration)
    .option('--note <text>', NOTE)
    .addOption(connectOption())
    .addHelpText('after', HELP.suspend)
    .action(async (name: string, { for: forMs, note }: SuspendOption, self: Command) => {
      const options = { ...(forMs !== undefined && { forMs }), ...(note !== undefined && { note }) }
      await intervene(addressesOf(self), async (keeper) =>
        print(
          `"${name}" is suspended; ${counted(await keeper.suspend(name, options), 'asked to release')} it.`,
        ),
      )
      finish(0)
    })
}

function addResume(program: Command, finish: Finish): void {
  program
    .command('resume')
    .summary('grant a suspended name again')
    .description('Ends a suspension.')
    .argument('<name>', 'which name')
    .option('--note <text>', NOTE)
    .addOption(connectOption())
    .addHelpText('after', HELP.resume)
    .action(async (name: string, options: NoteOption, self: Command) => {
      await intervene(addressesOf(self), async (keeper) => {
        await keeper.resume(name, options)
        print(`"${name}" is resumed.`)
      })
      finish(0)
    })
}
