import type { Caller } from '../../src/api/calls.js'
import type { Refusal } from '../../src/api/refusal.js'
import type { Watches } from '../../src/api/watches.js'
import { UnreachableError } from '../../src/client/errors.js'
import type { Problem } from '../../src/client/ports.js'
import { WatchPart, WatchRequest } from '../../src/protocol/lockkeeper.js'
import type { Channel } from './paths.js'
import type { Process } from './process.js'

export interface ObservationParts {
  readonly client: Process
  /** The host that is asked. */
  readonly node: string
  /** Undefined while nobody is there. */
  readonly serving: () => { readonly process: Process; readonly watches: Watches } | undefined
  readonly channel: (from: string, to: string) => Channel
  readonly toProblem: (refusal: Refusal | undefined) => Problem
  readonly onOver: () => void
}

/** One Watch stream, both ends of it: a part is taken when the client has the one before. */
export class Observation {
  /** Of those that the node counts as attached, it is none. */
  readonly attached = false
  readonly #parts: ObservationParts
  readonly #up: Channel
  readonly #down: Channel
  readonly #arrived: WatchPart[] = []
  #problem: Problem | undefined
  #wake: () => void = () => undefined
  #gone: () => void = () => undefined

  constructor(parts: ObservationParts) {
    this.#parts = parts
    this.#up = parts.channel(parts.client.name, parts.node)
    this.#down = parts.channel(parts.node, parts.client.name)
  }

  get client(): Process {
    return this.#parts.client
  }

  get node(): string {
    return this.#parts.node
  }

  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchPart, void, undefined> {
    const stop = (): void => this.close()
    signal.addEventListener('abort', stop)
    this.#ask(WatchRequest.encode(request).finish())
    try {
      for (;;) {
        const part = this.#arrived.shift()
        if (part !== undefined) yield part
        else if (this.#problem !== undefined) throw this.#problem
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.close()
    }
  }

  /** By the client. The node learns of it in its own time. */
  close(): void {
    if (this.#problem !== undefined) return
    this.#fail(new UnreachableError('the watch was ended'))
    this.#down.close()
    this.#up.send(() => this.#gone())
  }

  /** What is under way is lost; both ends learn of it when a packet can pass. */
  reset(): void {
    const { client, node, channel, onOver } = this.#parts
    this.#up.close()
    this.#down.close()
    onOver()
    channel(client.name, node).send(() => this.#gone())
    channel(node, client.name).send(() =>
      client.take(() => this.#fail(new UnreachableError('connection reset'))),
    )
  }

  #ask(bytes: Uint8Array): void {
    const { serving, toProblem } = this.#parts
    this.#up.send(() => {
      const server = serving()
      if (server === undefined) return this.#end(new UnreachableError('connection refused'))
      const { process, watches } = server
      process.take(() => {
        const caller: Caller = {
          connection: this,
          remainingMs: Number.POSITIVE_INFINITY,
          onGone: (action) => {
            this.#gone = () => process.take(action)
          },
        }
        watches
          .send(WatchRequest.decode(bytes), caller, (part) => this.#put(part, process))
          .catch((refusal: Refusal) => this.#end(toProblem(refusal)))
      })
    })
  }

  /** Resolves when the client has it. */
  #put(bytes: Buffer, process: Process): Promise<void> {
    return new Promise((resolve) =>
      this.#down.send(() =>
        this.client.take(() => {
          this.#arrived.push(WatchPart.decode(bytes))
          this.#wake()
          this.#up.send(() => process.take(resolve))
        }),
      ),
    )
  }

  #end(problem: Problem): void {
    this.#down.send(() => this.client.take(() => this.#fail(problem)))
  }

  #fail(problem: Problem): void {
    if (this.#problem !== undefined) return
    this.#problem = problem
    this.#parts.onOver()
    this.#wake()
  }
}
