import { spawn } from 'node:child_process'
import { finished } from 'node:stream/promises'
import { CliError, EXIT, exitCodeOfChild } from './exit-codes.js'

/** A command and everything it starts, unless that moves into a group of its own. */
export interface ProcessGroup {
  /** Also the pid of its first process. */
  readonly id: number
  /** The exit code of its first process, 128 + n if signal n ended it. */
  readonly exited: Promise<number>
  /** Nothing more goes to `onOutput`: all who could write to it are gone. */
  readonly outputEnded: Promise<void>
  /** Whether any process of the group is left. */
  isAlive(): boolean
  /** To all of them; nothing happens if none is left. */
  signal(signal: NodeJS.Signals): void
}

/**
 * Starts `command` in a process group (and session) of its own, with our stdin, stdout and stderr; `onOutput` gets what
 * goes to stdout as well. Rejects with a `CliError` (126 or 127, as env(1) does) if
 * it can't be started.
 */
export async function startProcessGroup(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  onOutput?: (chunk: Buffer) => void,
): Promise<ProcessGroup> {
  const [file = '', ...args] = command
  const stdout = onOutput === undefined ? 'inherit' : 'pipe'
  const child = spawn(file, args, {
    detached: true,
    stdio: ['inherit', stdout, 'inherit'],
    env: { ...process.env, ...env },
  })
  if (onOutput !== undefined) child.stdout?.on('data', onOutput).pipe(process.stdout, { end: false })
  const exited = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(exitCodeOfChild(code, signal)))
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', (error) => reject(startFailure(file, error)))
  })
  const id = child.pid!
  const outputEnded = child.stdout === null ? Promise.resolve() : finished(child.stdout)
  return {
    id,
    exited,
    outputEnded,
    isAlive: () => signalGroup(id, 0),
    signal: (signal) => void signalGroup(id, signal),
  }
}

/** Whether there was anybody to signal. */
function signalGroup(id: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-id, signal)
  } catch (error) {
    // EPERM: somebody is left, under another user, whom we may not signal.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function startFailure(file: string, error: NodeJS.ErrnoException): CliError {
  if (error.code === 'ENOENT') {
    return new CliError(EXIT.notFound, `There is no command "${file}". Check its spelling and the PATH.`)
  }
  return new CliError(
    EXIT.notExecutable,
    `"${file}" can't be run (${error.code}). Check that it may be executed.`,
  )
}
