import type { NodeId } from '../../raft/index.js'
import type { PeerNetworkOptions } from './peer-link.js'
import { PeerStation, type PeerStationParts, peerAddressOf } from './peer-station.js'
import type { Process } from './process.js'

type StationEyes = Pick<PeerStationParts, 'onSent' | 'onLetIn'>

/** The peers' network: each node dials each other, and sends on the stream that it opened. */
export class PeerNetwork {
  /** No transfer of leadership succeeds. */
  losesTransfers = false
  readonly #options: PeerNetworkOptions
  /** Who listens, by address. */
  readonly #stations = new Map<string, PeerStation>()

  constructor(options: Omit<PeerNetworkOptions, 'losesTransfers'>) {
    this.#options = { ...options, losesTransfers: () => this.losesTransfers }
  }

  station(self: NodeId, disk: number, process: Process, { onSent, onLetIn }: StationEyes): PeerStation {
    const station: PeerStation = new PeerStation({
      network: this.#options,
      self,
      disk,
      process,
      doorAt: (address) => this.#stations.get(address),
      onStarted: () => this.#stations.set(peerAddressOf(self), station),
      onStopped: () => this.gone(self),
      onSent,
      onLetIn,
      turnOut: (peer) => this.#stations.get(peerAddressOf(peer))?.links.get(self)?.broken(),
    })
    return station
  }

  /** The process is dead, or has let go of its streams. What it has sent is still under way. */
  gone(id: NodeId): void {
    const address = peerAddressOf(id)
    this.#stations.get(address)?.end()
    this.#stations.delete(address)
    for (const { links } of this.#stations.values()) links.get(id)?.broken()
  }

  /** Resets some streams. */
  reset(which: () => boolean): void {
    for (const { links } of this.#stations.values())
      for (const link of links.values()) if (which()) link.broken()
  }
}
