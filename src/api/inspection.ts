import { LIMITS } from '../machine/limits.js'
import { checkName } from '../machine/validate.js'
import { emptyView, type NameView } from '../machine/views.js'
import * as wire from '../protocol/lockkeeper.js'
import { noLeader } from './attached-stream.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { Refusal } from './refusal.js'
import { nameState } from './states.js'

const PAGE_DEFAULT = 100
const PATIENCE_MS = 5_000
const PATIENCE_SHARE = 0.8
/** Of `more`, beside the names of a page. */
const MORE_BYTES = 2
/** How soon to ask again when no leader could confirm a read. */
const RETRY_MS = 50

/** The calls that change nothing. Those about names are linearizable; the status is this node's own view. */
export class Inspection {
  readonly #door: Door

  constructor(door: Door) {
    this.#door = door
  }

  async getName({ name }: wire.GetNameRequest, caller: Caller): Promise<wire.GetNameResponse> {
    const problem = checkName(name)
    if (problem !== undefined) throw new Refusal(problem.code, problem.message)
    await this.confirm(caller)
    const view = this.#door.parts.replica.machine.name(name)
    return { name: this.#nameState(view ?? emptyView(name)) }
  }

  async listNames(request: wire.ListNamesRequest, caller: Caller): Promise<wire.ListNamesResponse> {
    await this.confirm(caller)
    const limit = request.limit === 0 ? PAGE_DEFAULT : request.limit
    const page = this.#door.parts.replica.machine.names(request.prefix, request.after, limit)
    const names: wire.NameState[] = []
    let bytes = MORE_BYTES
    for (const view of page.views) {
      const state = this.#nameState(view)
      bytes += wire.ListNamesResponse.encode({ names: [state], more: false }).finish().length
      if (names.length > 0 && bytes > LIMITS.pageBytesMax) return { names, more: true }
      names.push(state)
    }
    return { names, more: page.more }
  }

  getStatus(): wire.GetStatusResponse {
    const { clusterId, nodeId, replica, version } = this.#door.parts
    const { role, term, commitIndex } = replica.status
    return {
      clusterId,
      nodeId,
      role,
      term,
      topology: this.#door.topology(),
      commitIndex,
      appliedIndex: replica.appliedIndex,
      sessions: replica.machine.sessions.size,
      names: replica.machine.claims.queues.size,
      version,
      featureLevel: replica.machine.level,
    }
  }

  /** Resolves when this node's state is at least as new as the question. Rejects with a `Refusal`. */
  confirm(caller: Caller): Promise<void> {
    const { replica, clock } = this.#door.parts
    const patienceMs = Math.max(0, Math.min(PATIENCE_MS, caller.remainingMs * PATIENCE_SHARE))
    return new Promise((resolve, reject) => {
      let over = false
      const end = (): void => {
        over = true
        patience.cancel()
        leave()
      }
      const fail = (refusal: Refusal): void => {
        end()
        reject(refusal)
      }
      const leave = this.#door.enter(fail)
      const patience = clock.after(patienceMs, () => fail(noLeader(patienceMs)))
      caller.onGone(() => fail(new Refusal('CANCELLED', 'the caller has left')))
      const ask = (): void => {
        if (over) return
        replica.confirmRead((isConfirmed) => {
          if (over) return
          if (!isConfirmed) return void clock.after(RETRY_MS, ask)
          end()
          resolve()
        })
      }
      ask()
    })
  }

  #nameState(view: NameView): wire.NameState {
    const { replica } = this.#door.parts
    return nameState(view, replica.machine, replica.clusterNow())
  }
}
