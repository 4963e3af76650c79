import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectError, RefusedError, UnreachableError } from './errors.js'
import { GrpcConnector } from './grpc-connector.js'
import type { Operations } from './ports.js'
import { Route } from './route.js'

/** To find out who leads, elections included. */
const PATIENCE_MS = 20_000
const QUESTION_MS_MAX = 2_000
/** A change of members waits for what a majority of them writes. */
const CHANGE_MS_MAX = 60_000
const PAUSE_MS = 200

/** What the leader says of the members. */
export type MembersSeen = Operations['listMembers']['response'] & { readonly leaderAddress: string }

/** Talks to whoever leads, and follows leadership when it moves. */
export class Operator implements Disposable {
  readonly #connector = new GrpcConnector()
  readonly #route: Route

  constructor(addresses: readonly string[]) {
    this.#route = new Route(addresses)
  }

  /** Rejects with a `ConnectError` if no leader is found in that time. */
  async members(patienceMs = PATIENCE_MS): Promise<MembersSeen> {
    const endMs = performance.now() + patienceMs
    while (performance.now() < endMs) {
      const seen = await this.#lookAtMembers()
      if (seen !== undefined) return seen
      await sleep(PAUSE_MS)
    }
    throw new ConnectError(patienceMs, this.#route.tried())
  }

  /**
   * Asks for a change until it is there. If an answer got lost, `isThere` tells whether the change had come to pass.
   * Rejects with the refusal that is final.
   */
  async change<M extends keyof Operations>(
    method: M,
    request: Operations[M]['request'],
    isThere: (seen: MembersSeen) => boolean,
  ): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const seen = await this.members()
      const maybeThere = attempt > 0
      if (maybeThere && !seen.changing && isThere(seen)) return
      if (!maybeThere || !seen.changing) {
        try {
          await this.#connector.call(seen.leaderAddress, method, request, CHANGE_MS_MAX)
          return
        } catch (error) {
          if (!isPassing(error)) throw error
        }
      }
      await sleep(PAUSE_MS)
    }
  }

  [Symbol.dispose](): void {
    this.#connector.close()
  }

  async #lookAtMembers(): Promise<MembersSeen | undefined> {
    const address = this.#route.next()
    this.#route.asking(address)
    try {
      const { topology } = await this.#connector.call(address, 'getStatus', {}, QUESTION_MS_MAX)
      if (topology !== undefined) this.#route.learn(topology)
      const { leaderAddress } = this.#route
      if (leaderAddress === undefined) return undefined
      const seen = await this.#connector.call(leaderAddress, 'listMembers', {}, QUESTION_MS_MAX)
      return { ...seen, leaderAddress }
    } catch (error) {
      if (!isPassing(error)) throw error
      this.#route.failed(address, error)
      return undefined
    }
  }
}

/** Another attempt, perhaps elsewhere, may do better. */
function isPassing(error: unknown): error is RefusedError | UnreachableError {
  if (error instanceof UnreachableError) return true
  return error instanceof RefusedError && ['NOT_LEADER', 'NO_LEADER', 'STOPPING'].includes(error.code)
}
