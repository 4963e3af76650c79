import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'
import { agree, assertSameLogs } from './agreement.js'
import { assertNothingLost, Load } from './load.js'
import { NO_POWER_DISKS, PowerDisk } from './mounts.js'

const ALL = 3
const TTL_MS = 60_000
const LOCKS = 200
const CUTS = 2

/** A cluster each node of which writes to a disk that can lose power. */
class PowerCluster implements AsyncDisposable {
  private constructor(
    readonly cluster: LocalCluster,
    readonly disks: readonly PowerDisk[],
  ) {}

  static async start(): Promise<PowerCluster> {
    const cluster = await LocalCluster.create({ nodes: ALL, checkpointMiB: 1 })
    const disks = cluster.nodes.map(
      ({ id }) => new PowerDisk(cluster.dataDirectory(id), join(cluster.directory, `image-${id}`)),
    )
    const power = new PowerCluster(cluster, disks)
    await Promise.all(cluster.nodes.map((node) => node.start()))
    await cluster.leader()
    return power
  }

  /** Of these nodes, at once; then they start again. */
  async cut(...ids: number[]): Promise<void> {
    const nodes = ids.map((id) => this.cluster.node(id))
    await Promise.all(nodes.map((node) => node.kill()))
    for (const id of ids) await this.disks[id - 1]!.cut()
    await Promise.all(nodes.map((node) => node.start()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.cluster.nodes.map((node) => node.stop()))
    for (const disk of this.disks) await disk[Symbol.asyncDispose]()
    await this.cluster.stop()
  }
}

test('a power cut on all nodes at once loses nothing that was acknowledged (faults 8, 24)', {
  skip: NO_POWER_DISKS,
  timeout: 90_000,
}, async () => {
  await using power = await PowerCluster.start()
  const { cluster } = power
  await using keeper = await connect(cluster.addresses, { ttlMs: TTL_MS })
  for (let cut = 1; cut <= CUTS; cut++) {
    const locks = await Promise.all(Array.from({ length: LOCKS }, (_, k) => keeper.lock(`cut/${cut}/${k}`)))
    await power.cut(1, 2, 3)
    await cluster.leader()
    const holders = await Promise.all(
      locks.map(async ({ names: [name] }) => (await keeper.get(name!)).holders),
    )
    assert.deepEqual(
      holders.map(([holder]) => holder?.token),
      locks.map(({ token }) => token),
    )
    const next = await keeper.lock(`next/${cut}`)
    assert.ok(
      locks.every(({ token }) => token < next.token),
      'no token is given out again',
    )
  }
  await keeper.close()
  await agree(cluster)
  await assertSameLogs(cluster)
})

test('power cuts on one node after the other under load lose nothing (faults 8, 24)', {
  skip: NO_POWER_DISKS,
  timeout: 90_000,
}, async (t) => {
  await using power = await PowerCluster.start()
  const { cluster } = power
  await using load = await Load.start(cluster)
  for (const { id } of cluster.nodes) {
    await load.progress()
    await power.cut(id)
    await agree(cluster)
  }
  await assertNothingLost(t, load)
  await agree(cluster)
  await assertSameLogs(cluster)
})
