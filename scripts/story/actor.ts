import { type ChildProcess, fork } from 'node:child_process'

/** What an actor can be asked to do. Arguments and results travel as JSON. */
type Deeds<D> = { readonly [K in keyof D]: (...args: never[]) => unknown }

interface Question {
  readonly number: number
  readonly deed: string
  readonly args: readonly unknown[]
}

type Answer =
  | { readonly number: number; readonly result: unknown }
  | { readonly number: number; readonly problem: string }

interface Pending {
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
}

/** A process that plays a part: it does what it is asked, and can be frozen at any moment. Its stderr is ours. */
export class Actor<D extends Deeds<D>> implements AsyncDisposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #pending = new Map<number, Pending>()
  #questions = 0
  #isOver = false

  /** Starts `module`, which calls `perform`. */
  constructor(name: string, module: URL, args: readonly string[]) {
    this.name = name
    this.#child = fork(module, args)
    const kill = (): void => void this.#child.kill('SIGKILL')
    process.once('exit', kill)
    this.#child.on('message', (answer: Answer) => this.#settle(answer))
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        process.off('exit', kill)
        this.#over(`its process ended (${signal ?? `exit code ${code}`})`)
        resolve()
      })
    })
    // A message that could not be sent: the process is about to end, or has.
    this.#child.on('error', (error) => this.#over(error.message))
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Rejects if it fails at it, or ends before it is done. A frozen one begins when it is thawed. */
  ask<K extends keyof D & string>(deed: K, ...args: Parameters<D[K]>): Promise<Awaited<ReturnType<D[K]>>> {
    const number = ++this.#questions
    const answer = new Promise<Awaited<ReturnType<D[K]>>>((resolve, reject) => {
      if (this.#isOver) return reject(new Error(`${this.name}: its process has ended`))
      this.#pending.set(number, { resolve, reject })
      this.#child.send({ number, deed, args } satisfies Question)
    })
    // Many ask now and await later: an end in between is told by then.
    answer.catch(() => undefined)
    return answer
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** At once, frozen or not. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.number)
    this.#pending.delete(answer.number)
    if ('result' in answer) pending?.resolve(answer.result as never)
    else pending?.reject(new Error(`${this.name}: ${answer.problem}`))
  }

  #over(why: string): void {
    this.#isOver = true
    for (const { reject } of this.#pending.values()) reject(new Error(`${this.name}: ${why}`))
    this.#pending.clear()
  }
}

/** In the actor's own process: does what is asked for, for as long as somebody can ask. */
export function perform<D extends Deeds<D>>(deeds: D): void {
  const byName = new Map<string, (...args: never[]) => unknown>(Object.entries(deeds))
  process.on('message', async ({ number, deed, args }: Question) => {
    let answer: Answer
    try {
      answer = { number, result: (await byName.get(deed)!(...(args as never[]))) ?? null }
    } catch (error) {
      answer = { number, problem: error instanceof Error ? error.message : String(error) }
    }
    process.send?.(answer)
  })
  process.on('disconnect', () => process.exit())
}
