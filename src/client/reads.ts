import type { GetStatusResponse, NameState } from '../protocol/lockkeeper.js'
import { backoffMs } from './backoff.js'
import { ConnectError, KeeperClosedError, RefusedError, type Tried, UnreachableError } from './errors.js'
import type { Ports, Problem, ReadMethod, Reads } from './ports.js'
import { isForNow } from './refusals.js'
import type { Route } from './route.js'

/** Longer than an election: most questions need one node only. */
const CALL_TIMEOUT_MS = 2_000
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 500

type ReaderPorts = Pick<Ports, 'clock' | 'connector' | 'random'>

/** Asks questions that change nothing: of the node the session is attached to, or whichever answers. */
export class Reader {
  readonly #ports: ReaderPorts
  readonly #route: Route
  readonly #timeoutMs: number
  readonly #preferred: () => string | undefined
  #closed = false

  constructor(ports: ReaderPorts, route: Route, timeoutMs: number, preferred: () => string | undefined) {
    this.#ports = ports
    this.#route = route
    this.#timeoutMs = timeoutMs
    this.#preferred = preferred
  }

  close(): void {
    this.#closed = true
  }

  async get(name: string): Promise<NameState> {
    const { name: state } = await this.#ask('getName', { name })
    return state ?? { name, holders: [], waiters: [], waiting: 0 }
  }

  /** @param pageSize names per call; 0 leaves it to the server */
  async *list(prefix: string, pageSize: number): AsyncGenerator<NameState, void, undefined> {
    let after = ''
    for (let more = true; more; ) {
      const page = await this.#ask('listNames', { prefix, after, limit: pageSize })
      yield* page.names
      more = page.more && page.names.length > 0
      after = page.names.at(-1)?.name ?? after
    }
  }

  /** @param address asks this very node, once */
  status(address: string | undefined): Promise<GetStatusResponse> {
    if (address === undefined) return this.#ask('getStatus', {})
    return this.#ports.connector.call(address, 'getStatus', {}, Math.min(CALL_TIMEOUT_MS, this.#timeoutMs))
  }

  /** Goes from node to node until one answers. Rejects with a refusal that is final, or a `ConnectError`. */
  async #ask<M extends ReadMethod>(method: M, request: Reads[M]['request']): Promise<Reads[M]['response']> {
    const { clock, random, connector } = this.#ports
    const endMs = clock.nowMs() + this.#timeoutMs
    const tried = new Map<string, Tried>()
    let address = this.#preferred() ?? this.#route.next()
    for (let attempt = 0; ; attempt++) {
      if (this.#closed) throw new KeeperClosedError()
      const leftMs = endMs - clock.nowMs()
      if (leftMs <= 0) throw new ConnectError(this.#timeoutMs, [...tried.values()])
      try {
        this.#route.asking(address)
        return await connector.call(address, method, request, Math.min(CALL_TIMEOUT_MS, leftMs))
      } catch (error) {
        const { message } = passing(error)
        tried.set(address, { address, attempts: (tried.get(address)?.attempts ?? 0) + 1, problem: message })
      }
      await this.#pause(backoffMs(attempt, RETRY_FIRST_MS, RETRY_MAX_MS, random))
      address = this.#route.next(address)
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#ports.clock.after(delayMs, resolve))
  }
}

/** What another attempt may mend. Throws the rest again. */
function passing(error: unknown): Problem {
  if (error instanceof UnreachableError) return error
  if (error instanceof RefusedError && isForNow(error)) return error
  throw error
}
