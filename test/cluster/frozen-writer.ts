import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { reaper } from '../../scripts/cluster/reaper.js'
import { within } from './eventually.js'
import type { Said } from './writer-process.js'

const PROCESS = fileURLToPath(new URL('./writer-process.js', import.meta.url))
const SOON_MS = 15_000

/** A process that holds a lock and writes under it, and that stops dead at the worst moment: see writer-process.ts. */
export class FrozenWriter implements AsyncDisposable {
  readonly #child: ChildProcess
  #said: Said[] = []
  #wake: (() => void) | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (said) => {
      this.#said.push(said as Said)
      this.#wake?.()
    })
  }

  static async start(addresses: string, name: string, ttlMs: number): Promise<FrozenWriter> {
    const child = fork(PROCESS, [addresses, name, String(ttlMs)])
    await once(child, 'spawn')
    reaper.watch(child)
    return new FrozenWriter(child)
  }

  /** What it has said and nobody has read. */
  get unread(): number {
    return this.#said.length
  }

  checkThenFreezeThenWrite(): void {
    this.#child.send('check, freeze, write')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** The next thing it says, which must be of this kind. */
  async next<K extends Said['kind']>(kind: K): Promise<Extract<Said, { kind: K }>> {
    const some = new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#said.length > 0) resolve()
    })
    await within(`the writer says: ${kind}`, SOON_MS, some)
    const said = this.#said.shift()!
    if (said.kind !== kind) throw new Error(`the writer said ${JSON.stringify(said)} instead of: ${kind}`)
    return said as Extract<Said, { kind: K }>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
