import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeId } from '../../raft/index.js'
import { Directory } from '../../src/membership/directory.js'
import { Membership } from '../../src/membership/membership.js'
import type { HandDrivenNode } from '../replica/hand-driven.js'
import { HandDrivenCluster } from '../replica/hand-driven-cluster.js'

/** Who leads a cluster of three, what operators ask it for, and the two others. */
async function leading(): Promise<{
  cluster: HandDrivenCluster
  leader: HandDrivenNode
  membership: Membership
  others: [NodeId, NodeId]
}> {
  const cluster = await HandDrivenCluster.start(3)
  const leader = await cluster.leader()
  await cluster.agree()
  const addresses = cluster.nodes.map(({ id }) => ({ id, peer: `node-${id}:1`, client: `node-${id}:2` }))
  const directory = new Directory(leader.id, addresses, leader.replica)
  const { id: self, replica, proposals } = leader
  const connected = () => cluster.reachable(self)
  const membership = new Membership({ self, replica, proposals, directory, connected })
  leader.onStatus = () => membership.onStatus()
  const others = cluster.nodes.map(({ id }) => id).filter((id) => id !== self) as [NodeId, NodeId]
  return { cluster, leader, membership, others }
}

/** How it ended: a code, or what it resolved with; undefined until then. */
function outcome(operation: Promise<unknown>): { how?: unknown } {
  const seen: { how?: unknown } = {}
  operation.then(
    (value) => {
      seen.how = value ?? 'done'
    },
    (error: { code: string }) => {
      seen.how = error.code
    },
  )
  return seen
}

describe('what Raft ignores (fault 68)', () => {
  it('is refused at once: a change in the step in which leadership begins to be handed over', async () => {
    const { cluster, leader, membership, others } = await leading()
    cluster.copies = (item) => (item.kind === 'raft' && item.message.kind === 'timeout_now' ? 0 : 1)
    leader.replica.transfer(others[0], () => undefined)
    const removal = outcome(membership.remove(others[1]))
    await new Promise(setImmediate) // The removal has come to Raft's inputs, and Raft has yet to see any of them.
    assert.equal(leader.replica.status.transferring, false)
    await cluster.clock.pass(1)
    assert.equal(removal.how, 'BUSY')
    await cluster.until('the transfer is given up', () => !leader.replica.status.transferring)
    const again = outcome(membership.remove(others[1]))
    await cluster.until('it is done', () => again.how === 'done', 1_000)
  })

  it('is refused at once: a transfer to a node whose stream breaks in the step in which it begins', async () => {
    const { cluster, leader, membership, others } = await leading()
    const transfer = outcome(membership.transfer(others[0]))
    leader.replica.disconnected(others[0])
    await cluster.clock.pass(1)
    assert.equal(transfer.how, 'NOT_READY')
    const again = outcome(membership.transfer(others[0]))
    await cluster.until('it is done', () => again.how === others[0], 1_000)
  })

  it('is refused: a transfer after which the same node leads again, in a later term', async () => {
    const { cluster, leader, membership, others } = await leading()
    const [transferee] = others
    // It stands for election, and nobody answers.
    cluster.copies = (item, from, to) => {
      if (item.kind !== 'raft') return 1
      return to === transferee && item.message.kind !== 'timeout_now'
        ? 0
        : from === transferee && to !== leader.id
          ? 0
          : 1
    }
    const { term } = leader.replica.status
    const transfer = outcome(membership.transfer(transferee))
    await cluster.until('it has given way', () => leader.replica.status.term > term, 1_000)
    await cluster.until('it leads again', () => leader.replica.status.serving, 10_000)
    assert.equal(transfer.how, 'NOT_READY')
    cluster.copies = () => 1
    await cluster.agree()
    assert.equal((await settled(cluster, membership.list())).changing, false)
  })

  it('is refused: whatever is asked of a node that has stopped', async () => {
    const { leader, membership, others } = await leading()
    await leader.replica.stop()
    await assert.rejects(membership.remove(others[1]), { code: /NO_LEADER|NOT_LEADER/ })
    await assert.rejects(membership.transfer(others[1]), { code: /NO_LEADER|NOT_LEADER/ })
  })
})

/** Time passes until it resolves. */
async function settled<T>(cluster: HandDrivenCluster, operation: Promise<T>): Promise<T> {
  const seen = outcome(operation)
  await cluster.until('it is settled', () => seen.how !== undefined, 5_000)
  return await operation
}
