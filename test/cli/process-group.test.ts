import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type CliError, EXIT } from '../../src/cli/exit-codes.js'
import { startProcessGroup } from '../../src/cli/process-group.js'

const module = (name: string) => JSON.stringify(new URL(`../../src/cli/${name}.js`, import.meta.url).href)

describe('a command in a process group of its own', () => {
  it('gets its environment, and has its exit code told', async () => {
    const group = await startProcessGroup(['sh', '-c', 'exit "$LOCKKEEPER_TOKEN"'], {
      LOCKKEEPER_TOKEN: '42',
    })
    assert.equal(await group.exited, 42)
    assert.equal(group.isAlive(), false)
  })

  it('is signalled together with what it started', async () => {
    const group = await startProcessGroup(['sh', '-c', 'sleep 60 & sleep 61'], {})
    group.signal('SIGKILL')
    assert.equal(await group.exited, 137)
    await gone(group.id)
  })

  it('that does not exist, or may not be run, is told apart', async () => {
    const failure = (file: string) =>
      startProcessGroup([file], {}).then(
        () => 0,
        (error: CliError) => error.exitCode,
      )
    assert.equal(await failure('no-such-command-here'), EXIT.notFound)
    assert.equal(await failure('/etc/passwd'), EXIT.notExecutable)
  })
})

describe('the guardian', () => {
  it('ends the whole group, TERM ignored or not, when its master is killed with -9', async () => {
    const { master, groupId } = await startMaster(`trap "" TERM; sleep 60 & sleep 61; sleep 62`)
    master.kill('SIGKILL')
    await gone(groupId)
  })

  it('ends the group when asked to, whatever its master does meanwhile', async () => {
    const { master, groupId } = await startMaster('trap "" TERM; sleep 60', 'guardian.strike()')
    await gone(groupId)
    master.kill('SIGKILL')
  })

  it('leaves a group alone when dismissed', async () => {
    const looks = 'setTimeout(() => process.exit(group.isAlive() ? 42 : 1), 300)'
    const { master, groupId } = await startMaster(
      'exec sleep 60',
      `guardian.dismiss(); guardian.strike(); ${looks}`,
    )
    assert.deepEqual(await once(master, 'exit'), [42, null])
    process.kill(-groupId, 'SIGKILL')
  })
})

/** A process that runs `script` under a guardian with 100 ms of grace, and then `then`. */
async function startMaster(script: string, then = '') {
  const program = `
    const { startGuardian } = await import(${module('guardian')})
    const { startProcessGroup } = await import(${module('process-group')})
    const guardian = startGuardian(100)
    const group = await startProcessGroup(['sh', '-c', ${JSON.stringify(script)}], {})
    guardian.watch(group.id)
    console.log(group.id)
    ${then}`
  const master = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(master.stdout, 'data')
  return { master, groupId: Number(line) }
}

/** Resolves when no process of the group is left. If some stay, the test runs into its time limit. */
async function gone(groupId: number): Promise<void> {
  for (;;) {
    try {
      process.kill(-groupId, 0)
    } catch {
      return
    }
    await pause(10)
  }
}
