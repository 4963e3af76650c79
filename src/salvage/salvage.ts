import { InvariantError } from '../../raft/index.js'
import { DiskRemains } from '../node-disk/index.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import type { GrpcPort } from '../platform/port/index.js'
import type { IntactParts } from '../replica/ports.js'
import { SalvageAnswers, SalvagePeer } from '../transport/index.js'
import { restoreDisk } from './restore-disk.js'

/** From the first attempt on, until it is closed. */
interface Bench {
  readonly remains: DiskRemains
  readonly port: GrpcPort
}

/**
 * Puts the damaged disk of a node together again, bit for bit what it held, from what is left of it and what its peers have.
 * These may be damaged themselves, at other entries: meanwhile this node tells them what it has. The node is then the
 * member that it was, with every promise that it made; where that can't be, nothing is touched.
 */
export class Salvage {
  readonly #config: NodeConfig
  readonly #logger: Logger
  #bench: Bench | undefined
  #reported = ''

  constructor(config: NodeConfig, logger: Logger) {
    this.#config = config
    this.#logger = logger
  }

  /** Resolves with true when the disk is restored, false if it can't be for now; the log says why, once for each reason. */
  async attempt(): Promise<boolean> {
    const peers: SalvagePeer[] = []
    try {
      this.#bench ??= await this.#begin()
      await this.#restore(this.#bench.remains, peers)
      return true
    } catch (error) {
      if (error instanceof InvariantError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== this.#reported) this.#logger.warn({ reason }, 'the disk can not be restored; trying on')
      this.#reported = reason
      return false
    } finally {
      for (const peer of peers) peer.close()
    }
  }

  async close(): Promise<void> {
    this.#bench?.port.close()
    await this.#bench?.remains.close()
    this.#bench = undefined
  }

  async #begin(): Promise<Bench> {
    const { id: self, clusterId, data, peer } = this.#config
    const remains = await DiskRemains.open(data)
    try {
      const answers = new SalvageAnswers({ clusterId, self, parts: remains, logger: this.#logger })
      return { remains, port: await answers.listen(peer) }
    } catch (error) {
      await remains.close()
      throw error
    }
  }

  async #restore(remains: DiskRemains, peers: SalvagePeer[]): Promise<void> {
    const asked = await this.#callPeers(peers)
    const sources = peers.map((peer) => this.#patient(peer))
    const { start, entries } = await restoreDisk(this.#config, remains, sources)
    this.#logger.warn(
      { asked, checkpoint: start.index, last: entries.at(-1)?.index ?? start.index },
      'the disk holds again what it held: the node goes on as the member it was',
    )
  }

  /** Numbers of those that can be reached. */
  async #callPeers(peers: SalvagePeer[]): Promise<number[]> {
    const { id: from, clusterId, nodes } = this.#config
    const asked: number[] = []
    for (const { id: to, peer: address } of nodes.filter((node) => node.id !== from)) {
      try {
        peers.push(await SalvagePeer.call({ clusterId, from, to, address }))
        asked.push(to)
      } catch (error) {
        this.#logger.info({ peer: to, reason: String(error) }, 'this peer does not help to restore the disk')
      }
    }
    return asked
  }

  /** Who fails has nothing to give. */
  #patient(peer: SalvagePeer): IntactParts {
    const failed = (error: unknown): void =>
      this.#logger.warn({ reason: String(error) }, 'a peer failed to tell what it has')
    return {
      logUpTo: (last) =>
        peer.logUpTo(last).catch((error: unknown) => {
          failed(error)
          return []
        }),
      openCheckpoint: () =>
        peer.openCheckpoint().catch((error: unknown) => {
          failed(error)
          return undefined
        }),
    }
  }
}
