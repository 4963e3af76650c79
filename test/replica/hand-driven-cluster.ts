import type { NodeId } from '../../raft/index.js'
import type { PeerItem } from '../../src/replica/ports.js'
import { HandClock } from './hand-clock.js'
import { type Circumstances, HandDrivenNode, type HandNetwork } from './hand-driven.js'

/** So that nothing goes to and fro in no time for ever. */
const LATENCY_MS = 1

/** Nodes of the real parts that talk to each other, on one clock that the test moves. */
export class HandDrivenCluster implements HandNetwork {
  readonly clock = new HandClock()
  /** By id, from 1. */
  readonly nodes: readonly HandDrivenNode[] = []
  /** How often an item arrives: 0 loses it, 2 doubles it. */
  copies: (item: PeerItem, from: NodeId, to: NodeId) => number = () => 1
  readonly #away = new Set<NodeId>()

  static async start(count: number, circumstances: Omit<Circumstances, 'id' | 'voters'> = {}) {
    const cluster = new HandDrivenCluster()
    const voters = Array.from({ length: count }, (_, k) => k + 1)
    const nodes = await Promise.all(
      voters.map((id) => HandDrivenNode.start({ random: spread(id), ...circumstances, id, voters }, cluster)),
    )
    Object.assign(cluster, { nodes })
    return cluster
  }

  node(id: NodeId): HandDrivenNode {
    return this.nodes[id - 1]!
  }

  /** What is sent arrives in order, a moment later, if both ends still live. */
  send(from: NodeId, to: NodeId, item: PeerItem): void {
    const sender = this.node(from).replica
    for (let copies = this.copies(item, from, to); copies > 0; copies--) {
      this.clock.after(LATENCY_MS, () => {
        const { isAlive } = this.node(to)
        if (isAlive && this.node(from).replica === sender && this.#reach(from, to))
          this.node(to).receives(from, item)
      })
    }
  }

  reachable(from: NodeId): ReadonlySet<NodeId> {
    const peers = this.nodes.filter(({ id, isAlive }) => isAlive && id !== from && this.#reach(from, id))
    return new Set(peers.map(({ id }) => id))
  }

  /** Cuts it off from all others, silently. */
  isolate(id: NodeId): void {
    this.#away.add(id)
  }

  heal(): void {
    this.#away.clear()
  }

  /** Time passes until this holds. Throws after `withinMs`. */
  async until(what: string, holds: () => boolean, withinMs = 20_000): Promise<void> {
    for (let passed = 0; !holds(); passed += 10) {
      if (passed > withinMs) throw new Error(`this did not come to pass within ${withinMs} ms: ${what}`)
      await this.clock.pass(10)
    }
  }

  /** The node that leads and serves, as soon as there is one. */
  async leader(): Promise<HandDrivenNode> {
    const serving = () => this.nodes.find(({ isAlive, replica }) => isAlive && replica.status.serving)
    await this.until('somebody leads', () => serving() !== undefined)
    return serving()!
  }

  /** Resolves when all live nodes have applied the same. */
  async agree(): Promise<void> {
    await this.until('all agree', () => {
      const views = this.nodes.filter(({ isAlive }) => isAlive)
      const digests = new Set(views.map(({ machine }) => `${machine.at} ${machine.digest}`))
      const applied = new Set(views.map(({ replica }) => replica.appliedIndex))
      return digests.size === 1 && applied.size === 1
    })
  }

  #reach(a: NodeId, b: NodeId): boolean {
    return !this.#away.has(a) && !this.#away.has(b)
  }
}

/** Numbers that are not random at all, but different for each node. */
function spread(id: NodeId): () => number {
  let k = id
  return () => (k++ * 0.618_034 + id * 0.3) % 1
}
