import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reaper } from '../../scripts/cluster/reaper.js'
import type { ConnectOptions } from '../../src/client/index.js'
import type { Said } from './busy-process.js'
import { within } from './eventually.js'

const PROCESS = fileURLToPath(new URL('./busy-process.js', import.meta.url))
const SOON_MS = 15_000

/** A process that holds locks, and computes for as long as it is told to without letting its event loop turn. */
export class BusyHolder implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #directory: string
  /** What it said last, before its computation or right after it. */
  said: Said

  private constructor(child: ChildProcess, directory: string, said: Said) {
    this.#child = child
    this.#directory = directory
    this.said = said
  }

  static async start(
    addresses: string,
    names: readonly string[],
    options: ConnectOptions,
  ): Promise<BusyHolder> {
    const child = fork(PROCESS, [addresses, names.join(), JSON.stringify(options)])
    await once(child, 'spawn')
    reaper.watch(child)
    const said = await next(child, 'it holds its locks', () => undefined)
    return new BusyHolder(child, await mkdtemp(join(tmpdir(), 'lockkeeper-busy-')), said)
  }

  beBusy(): void {
    this.#child.send(this.#file)
  }

  /** Its computation ends. Resolves when it has looked at its handles, which is the first that it does. */
  async letGo(): Promise<void> {
    this.said = await next(this.#child, 'the computation is done', () => void writeFile(this.#file, ''))
  }

  /** It releases its locks and closes. Resolves when it has ended by itself, with its exit code. */
  async finish(): Promise<number | null> {
    const ended = once(this.#child, 'exit')
    await next(this.#child, 'the locks are released', () => this.#child.send({}))
    const [code] = await within('the process ends', SOON_MS, ended)
    return code as number | null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL')
      await once(this.#child, 'exit')
    }
    await rm(this.#directory, { recursive: true })
  }

  get #file(): string {
    return join(this.#directory, 'enough')
  }
}

async function next(child: ChildProcess, what: string, action: () => void): Promise<Said> {
  const said = once(child, 'message')
  action()
  return (await within(what, SOON_MS, said))[0] as Said
}
