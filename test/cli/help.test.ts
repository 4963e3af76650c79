import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from 'commander'
import { CommanderError } from 'commander'
import { HELP } from '../../src/cli/help.js'
import { createProgram } from '../../src/cli/program.js'

/** What the command line prints, and the error that it ends with. */
async function run(...args: string[]): Promise<{ text: string; error: unknown }> {
  let text = ''
  const program = createProgram(() => {}, args)
  const capture = { writeOut: (part: string) => (text += part), writeErr: (part: string) => (text += part) }
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)]
  for (const command of all(program)) command.configureOutput(capture)
  const error = await program.parseAsync(args, { from: 'user' }).catch((error: unknown) => error)
  return { text, error }
}

async function misused(args: string[], expected: RegExp): Promise<void> {
  const { text, error } = await run(...args)
  assert.ok(error instanceof CommanderError && error.exitCode !== 0)
  assert.match(text, expected)
}

const USING = ['lock', 'elect', 'once', 'queue'] as const
const LOOKING = ['status', 'locks', 'show', 'sessions', 'watch', 'members', 'verify'] as const
const STEPPING_IN = ['request-release', 'force-release', 'suspend', 'resume'] as const
const OPERATING = ['transfer', 'backup', 'restore'] as const
const COMMANDS = ['serve', 'dev', ...USING, ...LOOKING, ...STEPPING_IN, ...OPERATING] as const

describe('help', () => {
  for (const command of COMMANDS) {
    it(`of ${command} has examples and exit codes`, async () => {
      const { text } = await run(command, '--help')
      assert.ok(text.includes(HELP[command]))
      assert.match(text, new RegExp(`Examples:\\n  lockkeeper ${command}`))
      assert.match(text, /exit codes/i)
    })
  }

  it('of the program names every command, in groups', async () => {
    const { text } = await run('--help')
    for (const command of COMMANDS) assert.match(text, new RegExp(`^  ${command} `, 'm'))
    assert.match(text, /Run nodes:.*Use the cluster:.*Look inside:.*Step in:.*Operate the cluster:/s)
  })

  it('fits into 120 columns', () => {
    for (const line of Object.values(HELP).join('\n').split('\n')) assert.ok(line.length <= 120, line)
  })
})

describe('a mistake on the command line', () => {
  it('in a command gets a suggestion', () => misused(['lokc', 'a'], /Did you mean lock\?/))
  it('in an option gets a suggestion', () =>
    misused(['lock', 'a', '--wiat', '5s', '--', 'b'], /Did you mean --wait\?/))
  it('in a duration is told how to write it', () =>
    misused(['lock', 'a', '--wait', '5', '--', 'b'], /500ms, 5s, 2m, 1h or 7d/))
  it('a TTL too short to stop anything', () =>
    misused(['lock', 'a', '--ttl', '10ms', '--', 'b'], /1s or more/))
  it('in an address', () => misused(['locks', '--connect', 'a:1,b'], /"b" is no host:port/))
  it('in a port', () => misused(['dev', '--port', '70000'], /from 1 to 65435/))
  it('in the address of a member', () =>
    misused(['members', 'add', '4', 'a', 'b:1'], /"a" is no host:port; write for example 10.0.0.4:7204/))
  it('no command to run', () => misused(['lock', 'a'], /missing required argument 'command'/))
  it('a word of the command in the place of a name', () =>
    misused(['elect', 'boss', '--', 'echo', 'hi'], /before -- there must be <name> <value>/))
  it('a second name in the place of the command', () =>
    misused(['lock', 'a', 'b', '--', 'true'], /before -- there must be <name>, and behind it the command/))
  it('no disk to verify', () => misused(['verify'], /--data <directory>' not specified/))
  it('no node to be', () => misused(['serve', '--config', 'a.yaml'], /--node <id>' not specified/))
})

describe('options of the command under the lock', () => {
  it('are left to it, behind --', () => {
    const args = ['lock', 'a', '--wait', '1s', '--', 'sh', '-c', 'true', '--connect', 'x']
    const program = createProgram(() => {}, args)
    const lock = program.commands.find((command) => command.name() === 'lock')!
    lock.action(() => {})
    program.parse(args, { from: 'user' })
    assert.deepEqual(lock.args, ['a', 'sh', '-c', 'true', '--connect', 'x'])
    assert.equal(lock.opts().wait, 1_000)
  })
})
