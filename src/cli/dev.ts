import { resolve } from 'node:path'
import { DEFAULT_STORAGE, DEFAULT_TIMING, type NodeConfig } from '../platform/config.js'

/** Peers have no business with a cluster of one; its port is found beside the clients' port. */
const PEER_PORT_OFFSET = 100

/** One node alone on this machine, as in cluster-configs/dev.yaml. */
export function devConfig(clientPort: number, data: string): NodeConfig {
  const own = {
    id: 1,
    peer: `127.0.0.1:${clientPort + PEER_PORT_OFFSET}`,
    client: `127.0.0.1:${clientPort}`,
    data: resolve(data),
  }
  return { ...own, clusterId: 'dev', nodes: [own], timing: DEFAULT_TIMING, storage: DEFAULT_STORAGE }
}
