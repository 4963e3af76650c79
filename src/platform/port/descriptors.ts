/** Where the system does not say: enough for every limit here. */
const UNKNOWN = 65_536
/** What a node opens by itself: its log and records, which LevelDB maps into memory, checkpoints, backups, and what Node needs. */
const OWN = 64
/** From other nodes, most of which are one another's. */
const PEERS_MAX = 256
const PEERS_PART = 1 / 8
/** To other nodes; what is left is for clients. */
const OUTBOUND_PART = 1 / 16
const CLIENTS_MAX = 16_384
const CLIENTS_MIN = 16

/** How many connections each port may have. */
export interface Places {
  readonly clients: number
  readonly peers: number
}

/** How many files and sockets this process may have open. Node raises its limit as far as it may before it starts us. */
export function descriptorsMax(): number {
  if (process.report === undefined) return UNKNOWN
  // It would look up the names of all who are connected.
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft: number | 'unlimited' } }
  }
  const soft = report.userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : UNKNOWN
}

/** So that connections never take the descriptors that the node needs to write its log. */
export function placesFor(descriptors: number): Places {
  const peers = Math.min(PEERS_MAX, Math.floor(descriptors * PEERS_PART))
  const left = descriptors - OWN - peers - Math.floor(descriptors * OUTBOUND_PART)
  return { peers, clients: Math.max(CLIENTS_MIN, Math.min(CLIENTS_MAX, left)) }
}
