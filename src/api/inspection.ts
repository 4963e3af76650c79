import {
  type ClaimView,
  emptyView,
  type LineKind,
  type NameView,
  type Page,
  type SessionView,
} from '../machine/inspection/views.js'
import { checkName } from '../machine/language/validate.js'
import type { Machine } from '../machine/machine.js'
import * as wire from '../protocol/lockkeeper.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { encodedPage } from './pages.js'
import { Refusal } from './refusal.js'
import type { StateReads } from './state-reads.js'
import { claimState, nameState, sessionState } from './states.js'

const PAGE_DEFAULT = 100
const LINES: ReadonlyMap<number, LineKind> = new Map([
  [wire.ListClaimsRequest_Line.HOLDERS, 'holders'],
  [wire.ListClaimsRequest_Line.WAITERS, 'waiters'],
  [wire.ListClaimsRequest_Line.MEMBERS, 'members'],
])
/** The calls that change nothing. Those about names are linearizable; the status is this node's own view. */
export class Inspection {
  readonly #door: Door
  readonly #reads: StateReads

  constructor(door: Door, reads: StateReads) {
    this.#door = door
    this.#reads = reads
  }

  async getName({ name }: wire.GetNameRequest, caller: Caller): Promise<wire.GetNameResponse> {
    const problem = checkName(name)
    if (problem !== undefined) throw new Refusal(problem.code, problem.message)
    return await this.#reads.read(caller, () => {
      const view = this.#door.parts.replica.machine.name(name)
      return { name: this.#nameState(view ?? emptyView(name)) }
    })
  }

  listNames(request: wire.ListNamesRequest, caller: Caller): Promise<Buffer> {
    const { prefix, after } = request
    return this.#page(
      caller,
      (machine) => machine.names(prefix, after, limitOf(request)),
      (views, more) =>
        wire.ListNamesResponse.encode({ names: views.map((view) => this.#nameState(view)), more }),
      ({ holders, waiters, members }) => holders.length + waiters.length + members.length,
    )
  }

  async listClaims(request: wire.ListClaimsRequest, caller: Caller): Promise<Buffer> {
    const { name, after } = request
    const line = LINES.get(request.line)
    const problem = checkName(name)
    if (problem !== undefined) throw new Refusal(problem.code, problem.message)
    if (line === undefined) throw new Refusal('INVALID', 'a name has no such line; see ListClaims')
    const pageIn = (machine: Machine): Page<ClaimView> => {
      const page = machine.line(name, line, after, limitOf(request))
      if (page !== undefined) return page
      const message = `claim ${after} does not stand among the ${line} of '${name}' any more; begin anew`
      throw new Refusal('NOT_HELD', message)
    }
    return await this.#page(caller, pageIn, (views, more) => {
      const now = this.#door.parts.replica.clusterNow()
      return wire.ListClaimsResponse.encode({ claims: views.map((view) => claimState(view, now)), more })
    })
  }

  listSessions(request: wire.ListSessionsRequest, caller: Caller): Promise<Buffer> {
    return this.#page(
      caller,
      (machine) => machine.listSessions(request.after, limitOf(request)),
      (views, more) => {
        const { replica } = this.#door.parts
        const stateOf = ({ session }: SessionView): wire.SessionState =>
          sessionState(replica.machine.sessions.get(session)!, replica.clusterNow())
        return wire.ListSessionsResponse.encode({ sessions: views.map(stateOf), more })
      },
    )
  }

  getStatus(): Omit<wire.GetStatusResponse, 'clientPort' | 'peerPort' | 'descriptorsMax'> {
    const { clusterId, nodeId, replica, reserves, version } = this.#door.parts
    const { role, term, commitIndex } = replica.status
    return {
      clusterId,
      nodeId,
      role,
      term,
      topology: this.#door.topology(),
      commitIndex,
      appliedIndex: replica.appliedIndex,
      sessions: replica.machine.sessions.living,
      names: replica.machine.claims.queues.size,
      version,
      featureLevel: replica.machine.level,
      reserves: [...reserves.readings],
    }
  }

  /** Responses to list are made an item at a time, and so already encoded. */
  #page<View>(
    caller: Caller,
    pageIn: (machine: Machine) => Page<View>,
    encode: (shown: readonly View[], more: boolean) => { finish(): Uint8Array },
    claimsIn: (view: View) => number = () => 0,
  ): Promise<Buffer> {
    const { replica } = this.#door.parts
    return this.#reads.read(caller, () =>
      encodedPage(pageIn(replica.machine), (shown, more) => encode(shown, more).finish(), claimsIn),
    )
  }

  #nameState(view: NameView): wire.NameState {
    const { replica, attachments } = this.#door.parts
    return nameState(view, replica.machine, attachments.usage, replica.clusterNow())
  }
}

function limitOf({ limit }: { readonly limit: number }): number {
  return limit === 0 ? PAGE_DEFAULT : limit
}
