import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { reaper } from '../../scripts/cluster/reaper.js'
import { eventually, within } from './eventually.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const END_MS_MAX = 30_000

/** One line on stdout, and when it came (ms of this process's monotonic clock). */
export interface Line {
  readonly text: string
  readonly atMs: number
}

/** How a command ended. `code` is null if a signal ended it. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `lockkeeper` with these arguments, as a real process. */
export class Cli implements AsyncDisposable {
  readonly lines: Line[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<Ended>
  #stdout = ''
  #stderr = ''

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, ['--enable-source-maps', MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    reaper.watch(child)
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
    })
    this.#ended = new Promise((resolve) => {
      child.once('close', (code) => resolve({ code, stdout: this.#stdout, stderr: this.#stderr }))
    })
  }

  /** When it has ended, and everything that inherited its output. */
  ended(withinMs = END_MS_MAX): Promise<Ended> {
    return within('the command ends', withinMs, this.#ended)
  }

  /** Resolves with the first line that matches, once there is one. */
  line(pattern: RegExp): Promise<Line> {
    return eventually(`a line like ${pattern}; stderr: ${this.#stderr}`, END_MS_MAX, () =>
      this.lines.find(({ text }) => pattern.test(text)),
    )
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** What it left behind learns by its next word that nobody listens (SIGPIPE). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
    await this.ended()
  }

  #hear(text: string): void {
    const atMs = performance.now()
    const whole = this.#stdout.lastIndexOf('\n') + 1
    this.#stdout += text
    const lines = this.#stdout.slice(whole).split('\n').slice(0, -1)
    this.lines.push(...lines.map((line) => ({ text: line, atMs })))
  }
}

/** Runs it to its end. */
export async function runCli(args: readonly string[]): Promise<Ended> {
  await using cli = new Cli(args)
  return await cli.ended()
}
