import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeId, Status } from '../../raft/index.js'
import { Cluster, SMALL, seeded } from './cluster.js'

const SEEDS = 150
const IDS: readonly NodeId[] = [1, 2, 3, 4, 5]

/** Five nodes with equal logs; then some of the links between them are cut at random, for good. */
class Archipelago {
  readonly #random: () => number
  readonly #cluster: Cluster
  readonly #cut = new Set<string>()

  constructor(seed: number) {
    this.#random = seeded(seed)
    this.#cluster = new Cluster(IDS, () => this.#random, SMALL)
  }

  /** `oneWay`: each direction of a link is cut by itself. */
  cutSome(oneWay: boolean): void {
    const density = this.#random()
    for (const a of IDS) {
      for (const b of IDS) {
        if (a >= b) continue
        const there = this.#random() < density
        const back = oneWay ? this.#random() < density : there
        if (there) this.#cut.add(`${a}>${b}`)
        if (back) this.#cut.add(`${b}>${a}`)
      }
    }
  }

  /** Whether some node reaches, both ways, enough others to make a majority. */
  get hasCentre(): boolean {
    return IDS.some((a) => IDS.filter((b) => a === b || this.#linked(a, b)).length >= 3)
  }

  /** Who serves in the newest term, as `id of term`. */
  get leader(): string | undefined {
    const leader = this.#newestLeader()
    return leader && `${leader.id} of ${leader.term}`
  }

  /** Whether what the leader proposes now gets committed. */
  commits(): boolean {
    const before = this.#cluster.witness.committed.length
    this.#cluster.step(this.#newestLeader()!.id, [{ kind: 'propose', payload: new Uint8Array(1) }])
    this.tick()
    return this.#cluster.witness.committed.length > before
  }

  /** Everybody ticks; what can arrive arrives at once, what is to be written is written. */
  tick(): void {
    for (const id of IDS) {
      this.#cluster.step(id, [{ kind: 'tick' }])
      this.#write(id)
    }
    while (this.#cluster.network.length > 0) {
      for (const message of this.#cluster.network.splice(0)) {
        if (this.#cut.has(`${message.from}>${message.to}`)) continue
        this.#cluster.deliver(message)
        this.#write(message.to)
      }
    }
  }

  #newestLeader(): Status | undefined {
    const statuses = this.#cluster.running.map(({ node }) => node!.status())
    return statuses.filter(({ serving }) => serving).sort((a, b) => b.term - a.term)[0]
  }

  #write(id: NodeId): void {
    while (this.#cluster.member(id).pending.length > 0) this.#cluster.write(id)
  }

  #linked(a: NodeId, b: NodeId): boolean {
    return !this.#cut.has(`${a}>${b}`) && !this.#cut.has(`${b}>${a}`)
  }
}

describe('partial connectivity (fault 10)', () => {
  for (const oneWay of [false, true]) {
    const links = oneWay ? 'one way or both' : 'both ways'
    it(`leads to one lasting leader within ten election timeouts, links cut ${links}`, () => {
      let tried = 0
      for (let seed = 1; seed <= SEEDS; seed++) {
        const nodes = new Archipelago(seed)
        for (let tick = 0; tick < 100; tick++) nodes.tick()
        nodes.cutSome(oneWay)
        if (!nodes.hasCentre) continue
        tried++
        for (let tick = 0; tick < 10 * SMALL.electionTicks; tick++) nodes.tick()
        const { leader } = nodes
        assert(leader !== undefined, `seed ${seed}: nobody leads`)
        for (let tick = 0; tick < 300; tick++) {
          nodes.tick()
          assert.equal(nodes.leader, leader, `seed ${seed}: it does not last`)
        }
        assert(nodes.commits(), `seed ${seed}: it leads nobody`)
      }
      assert(tried > SEEDS / 3, `${tried} seeds with a node that reaches a majority`)
    })
  }
})
