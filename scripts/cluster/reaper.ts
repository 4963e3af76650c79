import { type ChildProcess, spawn } from 'node:child_process'

/** Keeps a list of processes by what it reads, "+ PID" and "- PID"; at the end of its input kills those on the list. */
const SCRIPT = `
trap '' HUP INT QUIT TERM
pids=
while read -r sign pid; do
  others=
  for each in $pids; do [ "$each" = "$pid" ] || others="$others $each"; done
  pids=$others
  [ "$sign" = - ] || pids="$pids $pid"
done
[ -z "$pids" ] || kill -s KILL $pids
`

/**
 * Sees to it that child processes do not outlive this process, whatever ends it, kill -9 included: a shell in a session
 * of its own waits on a pipe that only we hold open.
 */
class Reaper {
  #shell: ChildProcess | undefined

  watch(child: ChildProcess): void {
    const { pid } = child
    if (pid === undefined) return
    this.#tell(`+ ${pid}`)
    child.once('exit', () => this.#tell(`- ${pid}`))
  }

  #tell(line: string): void {
    this.#shell ??= this.#start()
    this.#shell.stdin?.write(`${line}\n`)
  }

  #start(): ChildProcess {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, 'lockkeeper-reaper'], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    shell.unref()
    return shell
  }
}

/** One for the whole process. */
export const reaper = new Reaper()
