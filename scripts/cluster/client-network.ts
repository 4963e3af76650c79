import { GrpcConnector } from '../../src/client/grpc-connector.js'
import {
  type ConnectOptions,
  type Connector,
  connectWith,
  type Keeper,
  type Link,
  type LinkHandlers,
  type ReadMethod,
  type Reads,
} from '../../src/client/index.js'
import { startStandIn } from '../../src/client/stand-in-thread.js'
import { secureRandom, systemClock } from '../../src/client/system.js'
import type { WatchPart, WatchRequest } from '../../src/protocol/lockkeeper.js'
import type { LocalCluster } from './local-cluster.js'
import { TcpProxy, type Way } from './tcp-proxy.js'

/**
 * The network between clients and the nodes, which can be cut. Wherever the client goes, also to addresses it has
 * learned from the cluster, it goes through here.
 */
export class ClientNetwork implements AsyncDisposable {
  /** By the node's own address. */
  readonly #proxies: ReadonlyMap<string, TcpProxy>

  private constructor(proxies: ReadonlyMap<string, TcpProxy>) {
    this.#proxies = proxies
  }

  static async to({ clientAddresses }: LocalCluster): Promise<ClientNetwork> {
    const proxies = await Promise.all(clientAddresses.map((address) => TcpProxy.listen(address)))
    return new ClientNetwork(new Map(proxies.map((proxy) => [proxy.target, proxy])))
  }

  /** To where each node is to be dialled, by its own address. */
  get translation(): ReadonlyMap<string, string> {
    return new Map([...this.#proxies].map(([own, { address }]) => [own, address]))
  }

  /** `first`: the node's own address that is asked first. */
  connect(options: ConnectOptions, first?: string): Promise<Keeper> {
    const addresses = [...this.#proxies.keys()]
    const ordered = first === undefined ? addresses : [first, ...addresses.filter((other) => other !== first)]
    return connectTranslated(ordered, this.translation, options)
  }

  delay(way: Way, delayMs: number): void {
    for (const proxy of this.#proxies.values()) proxy.delayMs[way] = delayMs
  }

  cut(...ways: Way[]): void {
    for (const proxy of this.#proxies.values()) proxy.cut(...ways)
  }

  /** From the node that has this address, silently, both ways. */
  isolate(address: string): void {
    this.#proxies.get(address)!.cut()
  }

  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal()
  }

  refuse(): void {
    for (const proxy of this.#proxies.values()) proxy.refuse()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()))
  }
}

/** A client that reaches one node of the cluster and no other, whoever leads. */
export function connectOnlyTo(cluster: LocalCluster, id: number, options: ConnectOptions): Promise<Keeper> {
  const only = cluster.clientAddress(id)
  return connectTranslated(
    [only],
    new Map(cluster.clientAddresses.map((address) => [address, only])),
    options,
  )
}

function connectTranslated(
  addresses: readonly string[],
  translation: ReadonlyMap<string, string>,
  options: ConnectOptions,
): Promise<Keeper> {
  const connector = new TranslatingConnector(translation)
  return connectWith(
    { clock: systemClock, random: secureRandom, connector, startStandIn },
    addresses,
    options,
  )
}

/** As behind a translator of addresses (NAT): the client names a node, and the network decides where that leads. */
class TranslatingConnector implements Connector {
  readonly #translation: ReadonlyMap<string, string>
  readonly #connector = new GrpcConnector()

  constructor(translation: ReadonlyMap<string, string>) {
    this.#translation = translation
  }

  attach(address: string, handlers: LinkHandlers): Link {
    return this.#connector.attach(this.#translated(address), handlers)
  }

  call<M extends ReadMethod>(
    address: string,
    method: M,
    request: Reads[M]['request'],
    timeoutMs: number,
  ): Promise<Reads[M]['response']> {
    return this.#connector.call(this.#translated(address), method, request, timeoutMs)
  }

  watch(address: string, request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchPart> {
    return this.#connector.watch(this.#translated(address), request, signal)
  }

  close(): void {
    this.#connector.close()
  }

  #translated(address: string): string {
    return this.#translation.get(address) ?? address
  }
}
