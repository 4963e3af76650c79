import { constants } from 'node:os'

/** What the exit code says when it is our own; the names of sysexits(3), and those of env(1) for a command that can't run. */
export const EXIT = {
  /** The command line makes no sense. */
  usage: 64,
  /** `verify`, `restore`, `backup`: something on the disk or in the file is lost or altered. */
  damaged: 65,
  /** `verify`: the directory is in use, can't be read or is no node's. */
  notChecked: 66,
  /** No node answered, or there is no leader. */
  unavailable: 69,
  /** The node stopped itself. */
  fatal: 70,
  /** `lock`: the lock was lost; the command was stopped. */
  lost: 74,
  /** Not now: `lock` was not granted in time, and the command not started; a change of members was refused. */
  notNow: 75,
  /** The configuration can't be used. */
  config: 78,
  notExecutable: 126,
  notFound: 127,
} as const

/** Ends the program with this code, after `message` (one sentence, then what to do) on stderr. */
export class CliError extends Error {
  override readonly name = 'CliError'

  constructor(
    readonly exitCode: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** As shells do it: 128 + n for death by signal n. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** A child's code, passed on; `code` is null exactly if `signal` is not. */
export function exitCodeOfChild(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? EXIT.fatal) : exitCodeOfSignal(signal)
}
