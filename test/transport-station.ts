import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:net'
import type { NodeId } from '../raft/index.js'
import { systemClock } from '../src/platform/clock.js'
import { createLogger, type Logger } from '../src/platform/logger.js'
import type { Clock, PeerItem } from '../src/replica/ports.js'
import type { Hello } from '../src/transport/hello.js'
import { PeerTransport } from '../src/transport/index.js'

/** One node's end of the transport, and what it has seen so far. */
export class Station {
  readonly items: { from: NodeId; item: PeerItem }[] = []
  readonly events: string[] = []
  readonly logged: string[] = []
  readonly transport: PeerTransport
  /** Where the log ends that it says to have. */
  lastIndex = 0
  /** That everybody is known is how it begins. */
  remember: (hello: Hello) => Promise<void> | undefined = () => undefined
  readonly #changes = new EventEmitter()

  constructor(
    self: NodeId,
    addresses: ReadonlyMap<NodeId, string>,
    clusterId = 'blue',
    clock: Clock = systemClock,
  ) {
    const listen = addresses.get(self)!
    this.transport = new PeerTransport({
      self,
      clusterId,
      listen,
      peers: addresses,
      connectionsMax: 64,
      level: 1,
      disk: self,
      remember: (hello) => this.remember(hello),
      lastIndex: () => this.lastIndex,
      parts: { logUpTo: async () => [], openCheckpoint: async () => undefined },
      clock,
      random: () => 0.5,
      logger: this.#logger(),
    })
  }

  async start(): Promise<void> {
    started.push(this)
    await this.transport.start({
      onItem: (from, item) => this.#note(() => this.items.push({ from, item })),
      onConnected: (peer) => this.#note(() => this.events.push(`connected ${peer}`)),
      onDisconnected: (peer) => this.#note(() => this.events.push(`disconnected ${peer}`)),
      onGreeted: () => this.#note(() => undefined),
      onDisowned: (_, reason, loss) =>
        this.#note(() => this.events.push(`disowned, ${loss} lost: ${reason}`)),
    })
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await once(this.#changes, 'change')
  }

  connectedTo(peer: NodeId): Promise<void> {
    return this.until(() => this.transport.connected().has(peer))
  }

  #note(change: () => void): void {
    change()
    this.#changes.emit('change')
  }

  #logger(): Logger {
    return createLogger('info', {}, { write: (line) => this.#note(() => this.logged.push(line)) })
  }
}

const started: Station[] = []

/** All that were started since the last time. */
export async function stopStations(): Promise<void> {
  for (const station of started.splice(0)) await station.transport.stop()
}

/** Free ones of this machine, for the nodes 1, 2, … */
export async function addressesFor(count: number): Promise<Map<NodeId, string>> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return new Map(ports.map((port, k) => [k + 1, `127.0.0.1:${port}`]))
}

export function commit(n: number): PeerItem {
  return { kind: 'raft', message: { kind: 'commit', term: 1, commit: n } }
}
