import { spawn } from 'node:child_process'

/** Reads the group's id, then waits for the end of its input: the other end of the pipe is gone, however it went. */
const SCRIPT = `
trap '' HUP INT QUIT TERM
read -r group || exit 0
read -r nothing
kill -s TERM -- "-$group"
sleep "$1"
kill -s KILL -- "-$group"
`

/**
 * Ends a process group when this process can't any more because it was killed itself (kill -9, out of memory): a shell
 * in a session of its own waits on a pipe that only we hold open, then sends TERM, and KILL after `graceMs`.
 * It is of no help if it is killed as well, nor while we are stopped (SIGSTOP) rather than dead: fencing tokens are.
 */
export interface Guardian {
  watch(groupId: number): void
  /** Do it now, beside us: if we die or are stopped in the middle of it, it is done all the same. */
  strike(): void
  /** The group is over. */
  dismiss(): void
}

/** To be started before the group, so that the group is never alone. */
export function startGuardian(graceMs: number): Guardian {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'lockkeeper-guardian', String(graceMs / 1000)], {
    detached: true,
    // Not our stdout: who reads it to the end must not wait for the guardian.
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell, or when the guardian dies, the command still runs under our own eyes.
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  shell.unref()
  return {
    watch: (groupId) => void shell.stdin.write(`${groupId}\n`),
    strike: () => void shell.stdin.end(),
    // Not by closing the pipe: the number of a group that is over may one day be another's.
    dismiss: () => void shell.kill('SIGKILL'),
  }
}
