import assert from 'node:assert/strict'
import { connectWith } from '../../src/client/connect.js'
import { type RefusalName, RefusedError, UnreachableError } from '../../src/client/errors.js'
import type { Keeper } from '../../src/client/keeper.js'
import type { ConnectOptions } from '../../src/client/options.js'
import type {
  Connector,
  Link,
  LinkHandlers,
  Ports,
  Problem,
  ReadMethod,
  Reads,
} from '../../src/client/ports.js'
import { StandIn } from '../../src/client/stand-in.js'
import {
  type Answer,
  type ClientFrame,
  type Hello,
  RefusalCode,
  type Request,
  type ServerFrame,
  type Topology,
} from '../../src/protocol/lockkeeper.js'
import { FakeClock } from './fake-clock.js'

export const TTL_MS = 9_000
export const SESSION = 77

const EMPTY: ServerFrame = {
  welcome: undefined,
  answers: [],
  topology: undefined,
  sessionEnded: undefined,
  notices: [],
}

/** A topology of nodes n1, n2, n3, each at the address of that name. */
export function led(leader: number): Topology {
  const members = [1, 2, 3].map((id) => ({ id, clientAddress: `n${id}:1`, peerAddress: '', connected: true }))
  return { leader, members }
}

/** One stream as the node at its other end sees it. It says only what the test makes it say. */
export class PeerLink implements Link {
  readonly address: string
  readonly frames: ClientFrame[] = []
  /** Closed from either side. */
  closed = false
  readonly #handlers: LinkHandlers

  constructor(address: string, handlers: LinkHandlers) {
    this.address = address
    this.#handlers = handlers
  }

  send(frame: ClientFrame): void {
    assert.ok(!this.closed, 'sent on a closed stream')
    this.frames.push(frame)
  }

  close(): void {
    this.closed = true
  }

  get hello(): Hello {
    const hello = this.frames[0]?.hello
    assert.ok(hello, 'the first frame says hello')
    return hello
  }

  get requests(): Request[] {
    return this.frames.flatMap(({ requests }) => requests)
  }

  /** The newest request of a kind. */
  last(kind: NonNullable<Request['operation']>['$case']): Request {
    const request = this.requests.filter(({ operation }) => operation?.$case === kind).at(-1)
    assert.ok(request, `no ${kind} arrived at ${this.address}`)
    return request
  }

  count(kind: NonNullable<Request['operation']>['$case']): number {
    return this.requests.filter(({ operation }) => operation?.$case === kind).length
  }

  welcome(topology = led(this.nodeId), ttlMs = TTL_MS): void {
    const { hello } = this
    const session = { id: hello.session?.id || SESSION, key: hello.session?.key ?? 0 }
    this.say({
      welcome: { protocolVersion: 1, clusterId: 'c', nodeId: this.nodeId, session, ttlMs, topology },
    })
  }

  get nodeId(): number {
    return Number(this.address.slice(1, 2))
  }

  say(frame: Partial<ServerFrame>): void {
    if (!this.closed) this.#handlers.onFrame({ ...EMPTY, ...frame })
  }

  answer({ slot, seq }: Request, result: NonNullable<Answer['result']>): void {
    this.say({ answers: [{ slot, seq, result }] })
  }

  grant(request: Request, token: number): void {
    this.answer(request, { $case: 'granted', value: { token, seats: [] } })
  }

  refuse(request: Request, code: RefusalName): void {
    this.answer(request, { $case: 'refused', value: { code: RefusalCode[code], message: code } })
  }

  renewed(): void {
    this.answer(this.last('renew'), { $case: 'renewed', value: { ttlMs: TTL_MS } })
  }

  break(problem: Problem = new UnreachableError('connection reset')): void {
    if (this.closed) return
    this.closed = true
    this.#handlers.onClosed(problem)
  }

  refuseHello(code: RefusalName): void {
    this.break(new RefusedError(code, code))
  }
}

/** The outside of one client: a clock, and a network whose every word is the test's. */
export class World {
  readonly clock = new FakeClock()
  readonly links: PeerLink[] = []
  /** What a node does when it is dialled; by default it is silent. */
  onDial: (link: PeerLink) => void = () => undefined
  onCall: (address: string, method: ReadMethod, request: unknown) => Promise<unknown> = () =>
    Promise.reject(new UnreachableError('connection refused'))
  onWatch: Connector['watch'] = () => {
    throw new UnreachableError('connection refused')
  }
  connectorClosed = false
  #seed = 1

  /** The same in every run (Park & Miller 1988). */
  #chance(): number {
    this.#seed = (this.#seed * 16_807) % 2_147_483_647
    return this.#seed / 2_147_483_647
  }

  readonly connector: Connector = {
    attach: (address, handlers) => {
      const link = new PeerLink(address, handlers)
      this.links.push(link)
      this.clock.soon(() => this.onDial(link))
      return link
    },
    call: <M extends ReadMethod>(address: string, method: M, request: Reads[M]['request']) =>
      this.onCall(address, method, request) as Promise<Reads[M]['response']>,
    watch: (address, request, signal) => this.onWatch(address, request, signal),
    close: () => {
      this.connectorClosed = true
    },
  }

  /** Connected to n1, which leads and then says no more. */
  async connect(options: ConnectOptions = {}, addresses = 'n1:1,n2:1,n3:1'): Promise<Keeper> {
    this.onDial = (link) => link.welcome()
    const keeper = connectWith(this.ports, addresses, { ttlMs: TTL_MS, ...options })
    await this.clock.turn()
    this.onDial = () => undefined
    return keeper
  }

  get ports(): Ports {
    return {
      clock: this.clock,
      connector: this.connector,
      random: () => this.#chance(),
      startStandIn: (duty, owner) => {
        const standIn = new StandIn(this, duty, () => owner.standInReady())
        return { tell: (sign) => standIn.heard(sign), stop: () => standIn.stop() }
      },
    }
  }

  /** The stream that was dialled last. */
  get link(): PeerLink {
    return this.links.at(-1)!
  }

  get dialled(): string[] {
    return this.links.map(({ address }) => address)
  }
}
