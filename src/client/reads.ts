import {
  type Claim,
  type GetStatusResponse,
  ListClaimsRequest_Line,
  type NameState,
  type SessionState,
} from '../protocol/lockkeeper.js'
import { backoffMs } from './backoff.js'
import { ConnectError, KeeperClosedError, RefusedError } from './errors.js'
import { Failures } from './failures.js'
import { pause } from './pause.js'
import type { ReaderPorts, ReadMethod, Reads } from './ports.js'
import type { Route } from './route.js'

/** Longer than an election: most questions need one node only. */
const CALL_TIMEOUT_MS = 2_000
const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 500

/** Those who hold a name, wait for it, or are members of it. */
export type Line = 'holders' | 'waiters' | 'members'

const LINES = {
  holders: ListClaimsRequest_Line.HOLDERS,
  waiters: ListClaimsRequest_Line.WAITERS,
  members: ListClaimsRequest_Line.MEMBERS,
} as const
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
    return state!
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

  async *claims(name: string, line: Line): AsyncGenerator<Claim, void, undefined> {
    const passed: number[] = []
    for (let more = true; more; ) {
      const request = { name, line: LINES[line], after: passed.at(-1) ?? 0, limit: 0 }
      try {
        const page = await this.#ask('listClaims', request)
        more = page.more && page.claims.length > 0
        for (const { id } of page.claims) passed.push(id)
        yield* page.claims
      } catch (error) {
        // The last one has left the line meanwhile. Those before it may still stand in it: go on after them.
        if (!(error instanceof RefusedError) || error.code !== 'NOT_HELD') throw error
        passed.pop()
      }
    }
  }

  async *sessions(): AsyncGenerator<SessionState, void, undefined> {
    let after = 0
    for (let more = true; more; ) {
      const page = await this.#ask('listSessions', { after, limit: 0 })
      yield* page.sessions
      more = page.more && page.sessions.length > 0
      after = page.sessions.at(-1)?.id ?? after
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
    const failures = new Failures()
    let address = this.#preferred() ?? this.#route.next()
    for (;;) {
      if (this.#closed) throw new KeeperClosedError()
      const leftMs = endMs - clock.nowMs()
      if (leftMs <= 0) throw new ConnectError(this.#timeoutMs, failures.tried)
      try {
        this.#route.asking(address)
        return await connector.call(address, method, request, Math.min(CALL_TIMEOUT_MS, leftMs))
      } catch (error) {
        failures.add(address, error, clock.nowMs())
      }
      await pause(clock, backoffMs(failures.count - 1, RETRY_FIRST_MS, RETRY_MAX_MS, random))
      address = this.#route.next(address)
    }
  }
}
