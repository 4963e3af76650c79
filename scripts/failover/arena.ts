import type { ConnectOptions, Keeper } from '../../src/client/index.js'
import { connect } from '../../src/client/index.js'
import { BreakableCluster } from '../cluster/breakable-cluster.js'
import { ClientNetwork } from '../cluster/client-network.js'
import { LocalCluster } from '../cluster/local-cluster.js'
import type { NodeProcess } from '../cluster/node-process.js'

/** A cluster of three whose leader has one kind of accident, again and again. */
export interface Arena extends AsyncDisposable {
  readonly cluster: LocalCluster
  /** A client that knows all nodes, and asks this one first. */
  connect(first: NodeProcess, options: ConnectOptions): Promise<Keeper>
  /** Strikes before it returns. Resolves when it has taken its course; rejects if that was not the right one. */
  strike(leader: NodeProcess): Promise<void>
  /** After the blow has taken its course: the node is as good as before, and has yet to catch up. */
  heal(struck: NodeProcess): Promise<void>
}

/** Its process is gone, and the system closes its sockets. */
export async function openKilled(): Promise<Arena> {
  return direct(await LocalCluster.start(), {
    strike: async (leader) => void (await leader.kill()),
    heal: (struck) => struck.start(),
  })
}

/** Its process stands still. The system keeps its sockets open, and takes what is sent to it. */
export async function openFrozen(): Promise<Arena> {
  return direct(await LocalCluster.start(), {
    strike: async (leader) => leader.freeze(),
    heal: async (struck) => struck.thaw(),
  })
}

/** Asked to stop, which it does in order. */
export async function openStopped(): Promise<Arena> {
  return direct(await LocalCluster.start(), {
    strike: async (leader) => {
      const exit = await leader.stop()
      if (exit?.code !== 0)
        throw new Error(`node ${leader.id} did not stop in order: ${JSON.stringify(exit)}`)
    },
    heal: (struck) => struck.start(),
  })
}

/** The network drops all that comes from it and goes to it, its peers' and its clients'. All sockets stay half open. */
export async function openCut(): Promise<Arena> {
  const peers = await BreakableCluster.start()
  const { cluster } = peers
  const clients = await ClientNetwork.to(cluster)
  return {
    cluster,
    connect: (first, options) => clients.connect(options, cluster.clientAddress(first.id)),
    strike: async (leader) => {
      peers.isolate(leader.id)
      clients.isolate(cluster.clientAddress(leader.id))
    },
    heal: async () => {
      peers.heal()
      clients.heal()
    },
    [Symbol.asyncDispose]: async () => {
      await clients[Symbol.asyncDispose]()
      await peers[Symbol.asyncDispose]()
    },
  }
}

function direct(cluster: LocalCluster, accident: Pick<Arena, 'strike' | 'heal'>): Arena {
  return {
    cluster,
    connect: (first, options) => {
      const others = cluster.others(first.id)
      return connect(
        [first, ...others].map(({ id }) => cluster.clientAddress(id)),
        options,
      )
    },
    ...accident,
    [Symbol.asyncDispose]: () => cluster.stop(),
  }
}
