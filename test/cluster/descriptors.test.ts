import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { it } from 'node:test'
import { openSocket } from '../../scripts/attack/raw-http2.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { connect } from '../../src/client/index.js'

const DESCRIPTORS = 150
const SILENT_PER_PORT = 140
/** So many bytes that the node writes checkpoints, and LevelDB opens new files. */
const LOCKS = 300
const DATA = 'x'.repeat(16_000)

it('connections never take the descriptors that a node needs for its log (ulimit -n 150)', {
  timeout: 120_000,
}, async () => {
  await using cluster = await LocalCluster.create({ nodes: 1, descriptorsMax: DESCRIPTORS, checkpointMiB: 1 })
  const node = cluster.node(1)
  await node.start()
  await cluster.leader()
  const ports = [...cluster.clientAddresses, ...cluster.peerAddresses]
  const silent: Socket[] = []
  for (let k = 0; k < SILENT_PER_PORT; k++) {
    const opened = await Promise.allSettled(ports.map(openSocket))
    for (const each of opened) if (each.status === 'fulfilled') silent.push(each.value)
  }
  for (const socket of silent) socket.on('error', () => undefined).resume()

  const keeper = await connect(cluster.addresses)
  for (let k = 0; k < LOCKS; k++) {
    const lock = await keeper.lock(`lock/${k % 10}`, { data: DATA })
    await lock.release()
  }
  const { clientPort, peerPort, descriptorsMax } = (await cluster.status(1))!
  assert.equal(descriptorsMax, DESCRIPTORS)
  for (const port of [clientPort!, peerPort!]) {
    assert.ok(port.connections <= port.connectionsMax, JSON.stringify(port))
    assert.ok(port.connectionsClosed > 0, JSON.stringify(port))
  }
  await keeper.close()
  assert.ok(node.isRunning, node.output().slice(-2_000))
  for (const socket of silent) socket.destroy()
})
