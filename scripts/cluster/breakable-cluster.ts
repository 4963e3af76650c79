import { LocalCluster } from './local-cluster.js'
import { TcpProxy } from './tcp-proxy.js'

/** A cluster of three whose nodes reach each other only through a network that can be cut, pair by pair. */
export class BreakableCluster implements AsyncDisposable {
  readonly cluster: LocalCluster
  /** By who dials and whom: a node sends on the stream that it opened. */
  readonly #proxies: ReadonlyMap<string, TcpProxy>

  private constructor(cluster: LocalCluster, proxies: ReadonlyMap<string, TcpProxy>) {
    this.cluster = cluster
    this.#proxies = proxies
  }

  static async start(): Promise<BreakableCluster> {
    const proxies = new Map<string, TcpProxy>()
    for (const from of IDS)
      for (const to of IDS) if (from !== to) proxies.set(key(from, to), await TcpProxy.listen())
    try {
      const cluster = await LocalCluster.start({
        peerAddressSeenBy: (from, to, address) => {
          const proxy = proxies.get(key(from, to))!
          proxy.target = address
          return proxy.address
        },
      })
      return new BreakableCluster(cluster, proxies)
    } catch (error) {
      await disposeAll(proxies)
      throw error
    }
  }

  /** Silently, both ways. */
  cut(one: number, other: number): void {
    this.#proxies.get(key(one, other))!.cut()
    this.#proxies.get(key(other, one))!.cut()
  }

  /** From all others, silently. */
  isolate(id: number): void {
    for (const other of IDS) if (other !== id) this.cut(id, other)
  }

  heal(): void {
    for (const proxy of this.#proxies.values()) proxy.heal()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.heal()
    await this.cluster.stop()
    await disposeAll(this.#proxies)
  }
}

const IDS = [1, 2, 3]

function key(from: number, to: number): string {
  return `${from}>${to}`
}

async function disposeAll(proxies: ReadonlyMap<string, TcpProxy>): Promise<void> {
  for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]()
}
