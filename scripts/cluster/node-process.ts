import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { LogLevel } from '../../src/platform/logger.js'
import { reaper } from './reaper.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const READY_MS = 20_000
const STOP_MS = 10_000

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface NodeProcessOptions {
  readonly id: number
  readonly configFile: string
  /** Its stdout and stderr, appended to at each start. */
  readonly logFile: string
  /** Started with --join. */
  readonly joins?: boolean
  /** 'info' by default. */
  readonly logLevel?: LogLevel
  /** Files and sockets that it may have open; as many as this process by default. */
  readonly descriptorsMax?: number
}

/**
 * One node of a cluster as a real process, `lockkeeper serve`, that can be killed, frozen and started again. It does not
 * outlive this process.
 */
export class NodeProcess {
  readonly #options: NodeProcessOptions
  #child: ChildProcess | undefined
  #started: readonly [env: NodeJS.ProcessEnv, main: string] = [{}, MAIN]
  #exit: Promise<Exit> | undefined

  constructor(options: NodeProcessOptions) {
    this.#options = options
  }

  get id(): number {
    return this.#options.id
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** When it ends by itself or by others: how. */
  get ended(): Promise<Exit | undefined> {
    return Promise.resolve(this.#exit)
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  /**
   * Resolves when the node listens; it may not know a leader yet. Rejects with its output if it ends instead. `env` is
   * added to that of this process; `main` is the program, of this version or of another.
   */
  async start(env: NodeJS.ProcessEnv = {}, main = MAIN): Promise<void> {
    const { id, configFile, logFile, joins = false, logLevel = 'info', descriptorsMax } = this.#options
    this.#started = [env, main]
    const log = openSync(logFile, 'a')
    const from = readFileSync(logFile).length
    const args = ['--enable-source-maps', main, 'serve', '--config', configFile, '--node', String(id)]
    args.push('--log-level', logLevel)
    if (joins) args.push('--join')
    const limited = ['-c', `ulimit -n ${descriptorsMax} && exec "$0" "$@"`, process.execPath, ...args]
    const [program, programArgs] = descriptorsMax === undefined ? [process.execPath, args] : ['sh', limited]
    const child = spawn(program, programArgs, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
    })
    closeSync(log)
    reaper.watch(child)
    this.#child = child
    this.#exit = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        if (this.#child === child) this.#child = undefined
        resolve({ code, signal })
      })
    })
    await this.#ready(from)
  }

  /** Starts it as it was started before. */
  async restart(): Promise<void> {
    await this.start(...this.#started)
  }

  /** The newest output. */
  output(from = 0): string {
    return readFileSync(this.#options.logFile).subarray(from).toString()
  }

  /** As a power switch does it (SIGKILL), or another signal. Resolves when the process has ended. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<Exit | undefined> {
    this.#child?.kill(signal)
    return await this.#exit
  }

  /** Takes the processor away from it. Its sockets stay open, and it knows nothing of it. */
  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** In order; if it does not end in ten seconds, it is killed. Resolves with its end, if it was running. */
  async stop(): Promise<Exit | undefined> {
    if (this.#child === undefined) return undefined
    this.thaw()
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS)
    const exit = await this.kill('SIGTERM')
    clearTimeout(timer)
    return exit
  }

  async #ready(from: number): Promise<void> {
    const endMs = performance.now() + READY_MS
    while (!/ is ready: /.test(this.output(from))) {
      if (this.#child === undefined) throw new Error(`node ${this.id} ended: ${this.output(from)}`)
      if (performance.now() > endMs) throw new Error(`node ${this.id} is not ready: ${this.output(from)}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
