import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Verdict } from '../../src/machine/language/command.js'
import { acquire, open, release } from '../machine/commands.js'
import { portrait } from '../machine/stories.js'
import { HandDrivenCluster } from './hand-driven-cluster.js'

/** What befalls the cluster of three, one after the other, while its clients go on asking. */
const mishap = fc.record({
  node: fc.integer({ min: 1, max: 3 }),
  what: fc.constantFrom('crash', 'isolate', 'heal', 'stall', 'hand over', 'lose', 'double', 'nothing'),
  survives: fc.constantFrom(0, 0.9),
  requests: fc.integer({ min: 1, max: 120 }),
  ms: fc.integer({ min: 1, max: 900 }),
})

const TTL_MS = 3_600_000

class Chaos {
  readonly verdicts: (readonly Verdict[])[] = []
  #slot = 0

  constructor(readonly cluster: HandDrivenCluster) {}

  /** Locks, each by a slot of its own, asked for at any node that lives. Every third is free again at once. */
  ask(requests: number): void {
    const living = this.cluster.nodes.filter(({ isAlive }) => isAlive)
    for (let k = 0; k < requests; k++) {
      const slot = ++this.#slot
      const node = living[slot % living.length]
      if (node === undefined) return
      const request = { slot: 3 * slot, names: [`name ${slot % 50}`], label: 'x'.repeat(slot % 200) }
      this.verdicts.push(
        node.submit(slot % 3 === 0 ? release(1, 1, { slot: 3 * slot }) : acquire(1, request)),
      )
    }
  }

  async befall({
    node: id,
    what,
    survives,
    requests,
    ms,
  }: typeof mishap extends fc.Arbitrary<infer T> ? T : never) {
    const { cluster } = this
    const node = cluster.node(id)
    let count = 0
    cluster.copies = (item) => {
      if (what === 'lose') return (++count * 0.618_034) % 1 < 0.2 ? 0 : 1
      return what === 'double' && item.kind !== 'forward' ? 2 : 1
    }
    if (what === 'isolate') cluster.isolate(id)
    if (what === 'heal') cluster.heal()
    if (what === 'stall') node.diskStalled = true
    if (what === 'hand over' && node.isAlive) void node.replica.handOver()
    this.ask(requests)
    await cluster.clock.pass(ms)
    node.survives = survives
    if (what === 'crash') await node.restart()
    node.diskStalled = false
    await node.sync()
  }
}

describe('three nodes with small checkpoints, in bad luck (faults 19 to 23, 54)', () => {
  it('end with the same machine on each, nobody stops, and each request of a process that lives has one answer', async () => {
    const property = fc.asyncProperty(fc.array(mishap, { minLength: 3, maxLength: 25 }), async (mishaps) => {
      const cluster = await HandDrivenCluster.start(3, { checkpointBytes: 2_000 })
      const leader = await cluster.leader()
      leader.submit(open(101, TTL_MS))
      await cluster.agree()
      const chaos = new Chaos(cluster)
      for (const each of mishaps) await chaos.befall(each)
      cluster.copies = () => 1
      cluster.heal()
      await cluster.leader()
      await cluster.agree()
      await cluster.clock.pass(10_000)
      await cluster.agree()
      const [first, ...others] = cluster.nodes.map(({ machine }) => portrait(machine))
      for (const other of others) assert.deepEqual(other, first)
      for (const { fatal } of cluster.nodes) assert.deepEqual(fatal, [])
      if (!mishaps.some(({ what }) => what === 'crash')) {
        for (const verdicts of chaos.verdicts) assert.equal(verdicts.length, 1)
      }
    })
    await fc.assert(property, { numRuns: 60 })
  })
})
