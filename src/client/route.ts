import type { Topology } from '../protocol/lockkeeper.js'
import type { Tried } from './errors.js'
import type { Problem } from './ports.js'

/**
 * Which node to ask next: the leader while it is known and has not just failed, else whoever was asked longest ago.
 * The addresses given by the user stay in use beside those the cluster names: behind a translator of addresses,
 * the former may be the only ones that work.
 */
export class Route {
  readonly seeds: readonly string[]
  #topology: Topology = { leader: 0, members: [] }
  /** When each address was last asked, as a count of all attempts. */
  readonly #askedAt = new Map<string, number>()
  #attempts = 0
  /** The leader has failed since we heard of it. */
  #leaderFailed = false
  readonly #tried = new Map<string, Tried>()

  constructor(seeds: readonly string[]) {
    this.seeds = seeds
  }

  /** A node told us of its cluster. */
  learn(topology: Topology): void {
    if (topology.leader !== this.#topology.leader) this.#leaderFailed = false
    this.#topology = topology
  }

  get topology(): Topology {
    return this.#topology
  }

  /** Where clients reach the leader, if it is known. */
  get leaderAddress(): string | undefined {
    const { leader, members } = this.#topology
    return members.find(({ id }) => id === leader)?.clientAddress || undefined
  }

  /** The address to ask next; not `besides`, if there is any other. */
  next(besides?: string): string {
    const leader = this.leaderAddress
    if (leader !== undefined && leader !== besides && !this.#leaderFailed) return leader
    const others = this.#addresses().filter((address) => address !== besides)
    if (others.length === 0) return besides ?? this.seeds[0]!
    return others.reduce((best, address) => (this.#asked(address) < this.#asked(best) ? address : best))
  }

  /** An attempt at this address begins. */
  asking(address: string): void {
    this.#askedAt.set(address, ++this.#attempts)
  }

  reached(address: string): void {
    if (address === this.leaderAddress) this.#leaderFailed = false
    this.#tried.clear()
  }

  failed(address: string, problem: Problem): void {
    if (address === this.leaderAddress) this.#leaderFailed = true
    const attempts = (this.#tried.get(address)?.attempts ?? 0) + 1
    this.#tried.set(address, { address, attempts, problem: problem.message })
  }

  /** What failed since a node was last reached. */
  tried(): Tried[] {
    return [...this.#tried.values()]
  }

  #addresses(): string[] {
    const members = this.#topology.members
      .map(({ clientAddress }) => clientAddress)
      .filter((address) => address !== '')
    return [...new Set([...members, ...this.seeds])]
  }

  #asked(address: string): number {
    return this.#askedAt.get(address) ?? 0
  }
}
