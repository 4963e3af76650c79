import { emptyView, type LineKind, type NameView } from '../machine/inspection/views.js'
import { checkName } from '../machine/language/validate.js'
import * as wire from '../protocol/lockkeeper.js'
import { noLeader } from './attached-stream.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { fitting } from './pages.js'
import { Refusal } from './refusal.js'
import { claimState, nameState, sessionState } from './states.js'

const PAGE_DEFAULT = 100
const PATIENCE_MS = 5_000
const PATIENCE_SHARE = 0.8
const LINES: ReadonlyMap<number, LineKind> = new Map([
  [wire.ListClaimsRequest_Line.HOLDERS, 'holders'],
  [wire.ListClaimsRequest_Line.WAITERS, 'waiters'],
  [wire.ListClaimsRequest_Line.MEMBERS, 'members'],
])
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
    const { prefix, after } = request
    const { shown: names, more } = fitting(
      this.#door.parts.replica.machine.names(prefix, after, limitOf(request)),
      (view) => this.#nameState(view),
      (state) => wire.ListNamesResponse.encode({ names: [state], more: false }).finish().length,
    )
    return { names, more }
  }

  async listClaims(request: wire.ListClaimsRequest, caller: Caller): Promise<wire.ListClaimsResponse> {
    const { name, after } = request
    const line = LINES.get(request.line)
    const problem = checkName(name)
    if (problem !== undefined) throw new Refusal(problem.code, problem.message)
    if (line === undefined) throw new Refusal('INVALID', 'a name has no such line; see ListClaims')
    await this.confirm(caller)
    const { replica } = this.#door.parts
    const page = replica.machine.line(name, line, after, limitOf(request))
    if (page === undefined) {
      const message = `claim ${after} does not stand among the ${line} of '${name}' any more; begin anew`
      throw new Refusal('NOT_HELD', message)
    }
    const { shown: claims, more } = fitting(
      page,
      (view) => claimState(view, replica.clusterNow()),
      (claim) => wire.ListClaimsResponse.encode({ claims: [claim], more: false }).finish().length,
    )
    return { claims, more }
  }

  async listSessions(request: wire.ListSessionsRequest, caller: Caller): Promise<wire.ListSessionsResponse> {
    await this.confirm(caller)
    const { machine } = this.#door.parts.replica
    const { shown: sessions, more } = fitting(
      machine.listSessions(request.after, limitOf(request)),
      ({ session }) => sessionState(machine.sessions.get(session)!, this.#door.parts.replica.clusterNow()),
      (session) => wire.ListSessionsResponse.encode({ sessions: [session], more: false }).finish().length,
    )
    return { sessions, more }
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
    const { replica, attachments } = this.#door.parts
    return nameState(view, replica.machine, attachments.usage, replica.clusterNow())
  }
}

function limitOf({ limit }: { readonly limit: number }): number {
  return limit === 0 ? PAGE_DEFAULT : limit
}
