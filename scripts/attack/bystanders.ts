import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { reaper } from '../cluster/reaper.js'
import type { BystanderReport } from './bystander.js'

const PROGRAM = fileURLToPath(new URL('./bystander.js', import.meta.url))

/** One well-behaved client for each node, attached there first. They do not outlive this process. */
export class Bystanders {
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children
  }

  /** Resolves when each of them has a session. */
  static async start(addresses: readonly string[]): Promise<Bystanders> {
    const children = addresses.map((first) => {
      const others = addresses.filter((address) => address !== first)
      return fork(PROGRAM, [[first, ...others].join(',')])
    })
    for (const child of children) reaper.watch(child)
    await Promise.all(children.map(messageOf))
    return new Bystanders(children)
  }

  beginMeasuring(): void {
    for (const child of this.#children) child.send('begin')
  }

  /** Ends them. */
  async reports(): Promise<BystanderReport[]> {
    const reports = this.#children.map(messageOf)
    for (const child of this.#children) child.send('end')
    return (await Promise.all(reports)) as BystanderReport[]
  }
}

async function messageOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a bystander ended with exit code ${code}`)
  })
  ended.catch(() => undefined)
  const [message] = await Promise.race([once(child, 'message'), ended])
  return message
}
