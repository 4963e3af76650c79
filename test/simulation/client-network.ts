import type { NodeId } from '../../raft/index.js'
import type { AttachedStream } from '../../src/api/attached-stream.js'
import { type Caller, Calls } from '../../src/api/calls.js'
import type { Door } from '../../src/api/door.js'
import { Inspection } from '../../src/api/inspection.js'
import { Refusal } from '../../src/api/refusal.js'
import { StateReads } from '../../src/api/state-reads.js'
import { Watches } from '../../src/api/watches.js'
import { RefusedError, UnreachableError } from '../../src/client/errors.js'
import type { Connector, Link, LinkHandlers, Problem, ReadMethod, Reads } from '../../src/client/ports.js'
import { ClientFrame, LockkeeperService, ServerFrame } from '../../src/protocol/lockkeeper.js'
import type { Timer } from '../../src/replica/ports.js'
import { Observation } from './observation.js'
import { Channel, type Paths, type Weather } from './paths.js'
import type { Process } from './process.js'
import type { Random } from './random.js'
import type { World } from './world.js'

export interface ClientNetworkOptions {
  readonly world: World
  readonly random: Random
  readonly paths: Paths
  readonly weather: Weather
  readonly witness: FrameWitness
}

/** Sees frames as they leave a client and as they reach it. */
export interface FrameWitness {
  sent(connection: object, frame: ClientFrame): void
  received(connection: object, frame: ServerFrame): void
}

interface Serving {
  readonly process: Process
  readonly door: Door
  readonly inspection: Inspection
  readonly calls: Calls
  readonly watches: Watches
}

/** Something under way between a client and a node. */
interface Conversation {
  readonly client: Process
  readonly node: string
  /** As the node sees it. */
  readonly attached: boolean
  reset(): void
  close(): void
}

/** What clients ask; operators are elsewhere: see `operator.ts`. */
export type UnaryMethod =
  | 'openSession'
  | 'keepAlive'
  | 'closeSession'
  | 'acquire'
  | 'release'
  | 'cancel'
  | ReadMethod

/** When a client's pings on a connection that is cut off are given up. */
const PING_MS_MIN = 5_000
const PING_MS_MAX = 7_000
/** How long a frame may wait for room in a socket. */
const TAKING_MS_MAX = 20

/** The network between clients and the doors of nodes: connections as gRPC over TCP gives them, with real frames on them. */
export class ClientNetwork {
  readonly #serving = new Map<string, Serving>()
  readonly #connections = new Set<Conversation>()

  constructor(readonly options: ClientNetworkOptions) {}

  serve(host: string, process: Process, door: Door): void {
    const randomKey = (): number => this.options.random.integer(1, Number.MAX_SAFE_INTEGER - 1)
    const calls = new Calls(door, randomKey)
    const reads = new StateReads(door)
    const inspection = new Inspection(door, reads)
    const watches = new Watches(door, reads)
    this.#serving.set(host, { process, door, inspection, calls, watches })
  }

  serving(host: string): Serving | undefined {
    return this.#serving.get(host)
  }

  /** The process at this host is gone, a node's or a client's: its connections are reset. */
  gone(host: string): void {
    this.#serving.delete(host)
    for (const connection of [...this.#connections]) {
      if (connection.node === host) connection.reset()
      else if (connection.client.name === host) connection.close()
    }
  }

  /** Clients that the node at this host has not sent away. */
  attachedTo(host: string): number {
    return [...this.#connections].filter(({ node, attached }) => node === host && attached).length
  }

  /** Resets some connections. */
  reset(which: (client: string, node: string) => boolean): void {
    for (const connection of [...this.#connections])
      if (which(connection.client.name, connection.node)) connection.reset()
  }

  connector(client: Process): Connector {
    const open = new Set<{ close(): void }>()
    const own = <T extends Connection | Question>(it: T): T => {
      open.add(it)
      it.onOver = () => open.delete(it)
      return it
    }
    return {
      attach: (address, handlers) => {
        const connection = own(new Connection(this, client, toHost(address), handlers))
        connection.dial()
        return connection
      },
      call: <M extends ReadMethod>(
        address: string,
        method: M,
        request: Reads[M]['request'],
        timeoutMs: number,
      ) =>
        new Promise<Reads[M]['response']>((resolve, reject) => {
          const settle = { resolve: resolve as (response: unknown) => void, reject }
          own(new Question(this, client, toHost(address), settle)).ask(method, request, timeoutMs)
        }),
      watch: (address, request, signal) =>
        this.#observation(client, toHost(address), open).watch(request, signal),
      close: () => {
        for (const it of [...open]) it.close()
      },
    }
  }

  /** One unary call. Rejects with a `Problem`, after `timeoutMs` at the latest. */
  call(
    client: Process,
    address: string,
    method: UnaryMethod,
    request: unknown,
    timeoutMs: number,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      new Question(this, client, toHost(address), { resolve, reject }).ask(method, request, timeoutMs)
    })
  }

  opened(conversation: Conversation): void {
    this.#connections.add(conversation)
  }

  over(conversation: Conversation): void {
    this.#connections.delete(conversation)
  }

  #observation(client: Process, node: string, open: Set<{ close(): void }>): Observation {
    const { world, random, paths, weather } = this.options
    const observation = new Observation({
      client,
      node,
      serving: () => this.serving(node),
      channel: (from, to) => new Channel(world, random, paths, weather, from, to),
      toProblem,
      onOver: () => {
        open.delete(observation)
        this.over(observation)
      },
    })
    open.add(observation)
    this.opened(observation)
    return observation
  }
}

/** One Attach stream, both ends of it. */
class Connection implements Link {
  onOver: () => void = () => undefined
  readonly #network: ClientNetwork
  readonly #handlers: LinkHandlers
  readonly #up: Channel
  readonly #down: Channel
  readonly #stopListening: () => void
  #stream: AttachedStream | undefined
  #server: Serving | undefined
  /** What the node has not asked for yet. */
  readonly #unread: Uint8Array[] = []
  #isReading = true
  #open = true
  #pings: Timer | undefined

  constructor(
    network: ClientNetwork,
    readonly client: Process,
    readonly node: string,
    handlers: LinkHandlers,
  ) {
    const { world, random, paths, weather } = network.options
    this.#network = network
    this.#handlers = handlers
    this.#up = new Channel(world, random, paths, weather, client.name, node)
    this.#down = new Channel(world, random, paths, weather, node, client.name)
    this.#stopListening = paths.onCut(() => this.#watch())
    network.opened(this)
  }

  /** As the node sees it. */
  get attached(): boolean {
    return this.#stream?.isGone === false
  }

  dial(): void {
    this.#watch()
    this.#up.send(() => {
      const server = this.#network.serving(this.node)
      if (server === undefined) return this.#end(new UnreachableError('connection refused'))
      this.#server = server
      server.process.take(() => {
        this.#stream = server.door.attach({
          send: (frame, onTaken) => {
            this.#toClient(frame)
            this.#whenTaken(server.process, onTaken)
          },
          end: (refusal) => this.#end(toProblem(refusal)),
          setReading: (isWanted) => this.#setReading(isWanted),
        })
      })
    })
  }

  send(frame: ClientFrame): void {
    if (!this.#open) return
    this.#network.options.witness.sent(this, frame)
    const bytes = ClientFrame.encode(frame).finish()
    this.#up.send(() =>
      this.#server?.process.take(() => {
        this.#unread.push(bytes)
        this.#read()
      }),
    )
  }

  /** By the client. The node learns of it in its own time. */
  close(): void {
    if (!this.#finish()) return
    this.#down.close()
    this.#up.send(() => this.#server?.process.take(() => this.#stream?.closed()))
  }

  /** What is under way is lost; both ends learn of it when a packet can pass. */
  reset(): void {
    const { world, random, paths, weather } = this.#network.options
    this.#up.close()
    this.#down.close()
    this.#network.over(this)
    const { process } = this.#server ?? {}
    new Channel(world, random, paths, weather, this.client.name, this.node).send(() =>
      process?.take(() => this.#stream?.closed()),
    )
    new Channel(world, random, paths, weather, this.node, this.client.name).send(() =>
      this.#closed(new UnreachableError('connection reset')),
    )
  }

  #setReading(isWanted: boolean): void {
    this.#isReading = isWanted
    if (isWanted) this.#server?.process.clock.soon(() => this.#read())
  }

  #read(): void {
    while (this.#isReading && this.#stream !== undefined) {
      const bytes = this.#unread.shift()
      if (bytes === undefined) return
      this.#stream.receive(bytes)
    }
  }

  /** A socket takes a frame at once or, when it is full, some time later. */
  #whenTaken(process: Process, onTaken: () => void): void {
    const { world, random } = this.#network.options
    world.plan(random.next() < 0.9 ? 0 : random.between(0, TAKING_MS_MAX), () => process.take(onTaken))
  }

  #toClient(bytes: Uint8Array): void {
    this.#down.send(() =>
      this.client.take(() => {
        if (!this.#open) return
        const frame = ServerFrame.decode(bytes)
        this.#network.options.witness.received(this, frame)
        this.#handlers.onFrame(frame)
      }),
    )
  }

  #end(problem: Problem): void {
    this.#down.send(() => this.#closed(problem))
  }

  #closed(problem: Problem): void {
    this.client.take(() => {
      if (this.#finish()) this.#handlers.onClosed(problem)
    })
  }

  #watch(): void {
    const { world, random, paths } = this.#network.options
    if (!this.#open || this.#pings !== undefined || paths.isClear(this.client.name, this.node)) return
    this.#pings = world.plan(random.between(PING_MS_MIN, PING_MS_MAX), () => {
      this.#pings = undefined
      if (!this.#open || paths.isClear(this.client.name, this.node)) return
      this.client.take(() => {
        if (!this.#open) return
        this.close()
        this.#handlers.onClosed(new UnreachableError('keepalive failed'))
      })
    })
  }

  #finish(): boolean {
    if (!this.#open) return false
    this.#open = false
    this.#pings?.cancel()
    this.#stopListening()
    this.#network.over(this)
    this.onOver()
    return true
  }
}

interface Method {
  requestSerialize(request: unknown): Buffer
  requestDeserialize(bytes: Buffer): unknown
  responseSerialize(response: unknown): Buffer
  responseDeserialize(bytes: Buffer): unknown
}

/** One unary call. */
class Question {
  onOver: () => void = () => undefined
  readonly #network: ClientNetwork
  readonly #client: Process
  readonly #node: string
  readonly #settle: { resolve(response: unknown): void; reject(problem: Problem): void }
  #timeout: Timer | undefined
  #over = false
  #gone: (() => void) | undefined

  constructor(network: ClientNetwork, client: Process, node: string, settle: Question['settled']) {
    this.#network = network
    this.#client = client
    this.#node = node
    this.#settle = settle
  }

  get settled(): { resolve(response: unknown): void; reject(problem: Problem): void } {
    return this.#settle
  }

  ask(method: UnaryMethod, request: unknown, timeoutMs: number): void {
    const codec = LockkeeperService[method] as Method
    const bytes = codec.requestSerialize(request)
    this.#timeout = this.#client.clock.after(timeoutMs, () =>
      this.#reject(new UnreachableError(`no answer within ${timeoutMs} ms`)),
    )
    this.#channel(this.#client.name, this.#node).send(() => {
      const server = this.#network.serving(this.#node)
      if (server === undefined) return this.#answer(() => this.#reject(new UnreachableError('refused')))
      server.process.take(() => {
        const caller: Caller = {
          connection: this.#client,
          remainingMs: timeoutMs,
          onGone: (action) => {
            this.#gone = () => server.process.take(action)
          },
        }
        perform(server, method, codec.requestDeserialize(bytes), caller).then(
          (response) => {
            const answer = response instanceof Buffer ? response : codec.responseSerialize(response)
            this.#answer(() => this.#resolve(codec.responseDeserialize(answer)))
          },
          (error: unknown) => this.#answer(() => this.#reject(toProblem(error as Refusal))),
        )
      })
    })
  }

  /** As gRPC does it: streams fall silent, calls still settle. */
  close(): void {
    this.#reject(new UnreachableError('the connector was closed'))
  }

  #answer(action: () => void): void {
    this.#channel(this.#node, this.#client.name).send(() => this.#client.take(action))
  }

  #resolve(response: unknown): void {
    if (this.#finish()) this.#settle.resolve(response)
  }

  #reject(problem: Problem): void {
    if (this.#finish()) this.#settle.reject(problem)
  }

  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    this.#timeout?.cancel()
    this.#gone?.()
    this.onOver()
    return true
  }

  #channel(from: string, to: string): Channel {
    const { world, random, paths, weather } = this.#network.options
    return new Channel(world, random, paths, weather, from, to)
  }
}

/** What `ApiServer` does with a unary call. */
async function perform(
  { inspection, calls }: Serving,
  method: UnaryMethod,
  request: unknown,
  caller: Caller,
): Promise<unknown> {
  const handlers: { readonly [M in UnaryMethod]: (request: never, caller: Caller) => unknown } = {
    openSession: calls.openSession.bind(calls),
    keepAlive: calls.keepAlive.bind(calls),
    closeSession: calls.closeSession.bind(calls),
    acquire: calls.acquire.bind(calls),
    release: calls.release.bind(calls),
    cancel: calls.cancel.bind(calls),
    getName: inspection.getName.bind(inspection),
    listClaims: inspection.listClaims.bind(inspection),
    listSessions: inspection.listSessions.bind(inspection),
    listNames: inspection.listNames.bind(inspection),
    getStatus: () => inspection.getStatus(),
  }
  return await handlers[method](request as never, caller)
}

function toProblem(refusal: Refusal | undefined): Problem {
  if (refusal === undefined) return new UnreachableError('the node ended the stream')
  if (refusal instanceof Refusal) return new RefusedError(refusal.code, refusal.message)
  return new RefusedError('INTERNAL', String(refusal))
}

export function addressOf(id: NodeId): string {
  return `n${id}:7001`
}

function toHost(address: string): string {
  return address.slice(0, address.indexOf(':'))
}
