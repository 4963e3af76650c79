import type { LocalCluster } from '../cluster/local-cluster.js'

/** One way in which a client or a peer misbehaves. Its traffic goes to this cluster only, and is bounded in count and time. */
export interface Attack {
  /** One line: what is done to the cluster. */
  readonly summary: string
  /** Of the cluster; 3 by default. */
  readonly nodes?: number
  /** Of the log between two checkpoints of a node; as in production by default. */
  readonly checkpointMiB?: number
  /** Added to the environment of each node, for limits that the attack is about. */
  readonly nodeEnv?: NodeJS.ProcessEnv
  /** Files and sockets that each node may have open; as many as this process by default. */
  readonly descriptorsMax?: number
  /** What must be there before the attack; nothing is measured meanwhile. */
  readonly prepare?: (cluster: LocalCluster) => Promise<void>
  /**
   * Resolves when it is over, with figures of its own to print. Sockets and clients that it opened are closed by then. The
   * refusals that the attacker meets are figures, not errors.
   */
  readonly run: (cluster: LocalCluster) => Promise<Readonly<Record<string, number | string>>>
}
