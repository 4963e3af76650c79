import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acquire, open } from '../machine/commands.js'
import { HandDrivenCluster } from './hand-driven-cluster.js'

const TTL_MS = 3_600_000

describe('handing over leadership (fault 54)', () => {
  it('loses no request that comes before, during or after it, at whatever node', async () => {
    const cluster = await HandDrivenCluster.start(3)
    const leader = await cluster.leader()
    const opened = leader.submit(open(101, TTL_MS))
    await cluster.until('the session is open', () => opened.length === 1)
    let slot = 0
    const asked = () => {
      slot++
      return cluster.nodes.map((node) =>
        node.submit(acquire(1, { slot: 3 * slot + node.id, names: [`${slot} at ${node.id}`] })),
      )
    }
    const before = asked()
    let isOver = false
    void leader.replica.handOver().then(() => {
      isOver = true
    })
    const verdicts = [...before]
    const beganMs = cluster.clock.nowMs()
    while (!isOver) {
      verdicts.push(...asked())
      await cluster.clock.pass(1)
    }
    const tookMs = cluster.clock.nowMs() - beganMs
    assert(tookMs < 50, `${tookMs} ms`)
    assert.equal(leader.replica.status.role, 'follower')
    verdicts.push(...asked())
    await cluster.until('everybody has an answer', () => verdicts.every(({ length }) => length > 0), 200)
    for (const [verdict, ...more] of verdicts) {
      assert.equal(verdict?.kind, 'granted')
      assert.deepEqual(more, [])
    }
  })

  it('goes to one that lives, not to one that died with as much of the log', async () => {
    for (const dies of [0, 1]) {
      const cluster = await HandDrivenCluster.start(3)
      const leader = await cluster.leader()
      await cluster.agree()
      const others = cluster.nodes.filter((node) => node !== leader)
      others[dies]!.crash()
      const beganMs = cluster.clock.nowMs()
      const done = leader.replica.handOver()
      await cluster.until('the other leads', () => others[1 - dies]!.replica.status.serving)
      await done
      assert(cluster.clock.nowMs() - beganMs < 200, `${cluster.clock.nowMs() - beganMs} ms`)
    }
  })

  it('is over at once for a follower, and where there is nobody to hand over to', async () => {
    const cluster = await HandDrivenCluster.start(3)
    const leader = await cluster.leader()
    const [one, other] = cluster.nodes.filter((node) => node !== leader)
    await one!.replica.handOver()
    one!.crash()
    other!.crash()
    await leader.replica.handOver()
  })

  it('is over as soon as it has failed', async () => {
    const cluster = await HandDrivenCluster.start(3)
    const leader = await cluster.leader()
    await cluster.agree()
    cluster.copies = (item) => (item.kind === 'raft' && item.message.kind === 'timeout_now' ? 0 : 1)
    const beganMs = cluster.clock.nowMs()
    let tookMs: number | undefined
    void leader.replica.handOver().then(() => {
      tookMs = cluster.clock.nowMs() - beganMs
    })
    await cluster.clock.pass(1)
    for (const peer of [1, 2, 3]) leader.replica.disconnected(peer)
    await cluster.clock.pass(1)
    assert(tookMs !== undefined, 'the stream to the transferee has broken')
    assert.equal(leader.replica.status.role, 'leader')
  })

  it('takes nothing for proposed that comes in the step in which it begins', async () => {
    const cluster = await HandDrivenCluster.start(3)
    const leader = await cluster.leader()
    cluster.copies = (item) => (item.kind === 'raft' && item.message.kind === 'timeout_now' ? 0 : 1)
    const verdicts = leader.submit(open(101, TTL_MS), open(102, TTL_MS))
    cluster.clock.soon(() => leader.replica.transfer(leader.id === 1 ? 2 : 1, () => undefined))
    // Its own repetition after a second is not what brings it into the log.
    await cluster.until('both are served once the transfer is given up', () => verdicts.length === 2, 700)
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['opened', 'opened'],
    )
  })

  it('is given up when the heir falls silent, and requests are served again', async () => {
    const cluster = await HandDrivenCluster.start(3)
    const leader = await cluster.leader()
    let lost = 0
    cluster.copies = (item) => {
      if (item.kind !== 'raft' || item.message.kind !== 'timeout_now') return 1
      lost++
      return 0
    }
    const verdicts = leader.submit(open(101, TTL_MS))
    const done = leader.replica.handOver()
    await cluster.until('the request is served', () => verdicts.length === 1, 3_000)
    await done
    assert.equal(lost, 1)
    assert.equal(leader.replica.status.role, 'leader')
  })
})
