import { type ChildProcess, spawn } from 'node:child_process'
import { reaper } from '../../scripts/cluster/reaper.js'
import { eventually, within } from './eventually.js'

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

export interface ProgramOptions {
  /** Added to that of this process. */
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** A real process: what it says, and how it ends. It does not outlive this one. */
export class Program implements AsyncDisposable {
  readonly lines: Line[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<Ended>
  #stdout = ''
  #stderr = ''

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    const { env = {}, cwd } = options
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      cwd,
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

  /** Resolves with the first line that matches, from the given one on, once there is one. */
  async line(pattern: RegExp, from = 0): Promise<Line> {
    try {
      return await eventually(`a line like ${pattern}`, END_MS_MAX, () =>
        this.lines.slice(from).find(({ text }) => pattern.test(text)),
      )
    } catch (error) {
      throw new Error(`${error}; stdout: ${this.#stdout}; stderr: ${this.#stderr}`)
    }
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
