import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { NodeId } from '../../raft/index.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { encodeCommands, encodePayload } from '../../src/replica/payload.js'
import type { Timer } from '../../src/replica/ports.js'
import { acquire } from '../machine/commands.js'
import { HandClock } from './hand-clock.js'
import { HandDrivenNode, keepAlive, open } from './hand-driven.js'
import { HandDrivenCluster } from './hand-driven-cluster.js'

/** What P7 allows. */
function lateMsMax(ttlMs: number): number {
  return 250 + ttlMs / 100
}

/** How long after `fromMs` the session ended. */
async function endsAfter(node: HandDrivenNode, session: number, fromMs: number, ms: number): Promise<number> {
  let ended: number | undefined
  node.attachments.onSessionEnded(session, () => {
    ended = node.clock.nowMs()
  })
  await node.clock.pass(ms)
  assert(ended !== undefined, `session ${session} still lives`)
  return ended - fromMs
}

/** Of a busy machine: timers go off late. */
class LateClock extends HandClock {
  override after(delayMs: number, action: () => void): Timer {
    return super.after(delayMs + 5, action)
  }
}

describe('the beat of a node (P10)', () => {
  /** Stands for election after 60 ticks of 10 ms. */
  const follower = () => {
    const nowhere = { clock: new LateClock(), send: () => undefined, reachable: () => new Set<NodeId>() }
    return HandDrivenNode.start({ voters: [1, 2, 3] }, nowhere)
  }

  it('keeps time though every timer is late: a silent leader is replaced no later', async () => {
    const node = await follower()
    await node.clock.pass(600)
    assert.equal(node.replica.status.role, 'follower')
    await node.clock.pass(10)
    assert.equal(node.replica.status.role, 'candidate')
  })

  it('does not make up for what it missed: after a stall, what waits in the sockets comes first', async () => {
    const node = await follower()
    node.clock.stall(5_000)
    await node.clock.pass(500)
    assert.equal(node.replica.status.role, 'follower')
  })
})

describe('the time of the cluster (P7, faults 33, 34, 36, 39)', () => {
  it('goes on while the machine is busy with what is committed, slice after slice', async () => {
    const node = await HandDrivenNode.leading({ applyBudget: { ms: 10, commands: 1 } })
    node.submit(open(1, 1_000))
    await node.clock.pass(100)
    const openedMs = node.clock.nowMs()
    // Each turn applies one entry of a thousand commands, which takes 45 ms; several of them are always waiting.
    node.onApplied = () => node.clock.stall(45)
    for (let k = 0; k < 30_000; k++) node.submit(open(10 + k, 60_000))
    assert((await endsAfter(node, 1, openedMs, 3_000)) <= 1_000 + lateMsMax(1_000))
  })

  it('ends a session that nobody renews, by an entry without commands', async () => {
    const node = await HandDrivenNode.leading()
    const openedMs = node.clock.nowMs()
    node.submit(open(7, 1_000))
    const afterMs = await endsAfter(node, 1, openedMs, 2_000)
    assert(afterMs >= 1_000, `early: after ${afterMs} ms`)
    assert(afterMs <= 1_000 + lateMsMax(1_000), `late: after ${afterMs} ms`)
    assert.deepEqual(node.logged.at(-1)!.firsts, [])
  })

  it('lets go of all that a session held which one entry is not enough for, by entries without commands', async () => {
    const node = await HandDrivenNode.leading()
    const locks = 3 * LIMITS.workMax
    node.submit({ op: 'raise', level: FEATURE_LEVEL }, open(7, 1_000), open(8, 60_000))
    await node.clock.pass(20)
    node.submit(
      ...Array.from({ length: locks }, (_, slot) => acquire(1, { key: 7, slot, names: [`${slot}`] })),
    )
    await node.clock.pass(50)
    assert.equal(node.machine.claims.size, locks)
    node.submit(acquire(2, { key: 8, names: [`${locks - 1}`] }))
    await node.clock.pass(1_000)
    assert.equal(node.machine.session(1), undefined)
    await node.clock.pass(100)
    assert.equal(node.machine.claims.size, 1)
    assert.equal(node.machine.name(`${locks - 1}`)?.holders[0]?.session, 2)
    const before = node.disk.entries.length
    await node.clock.pass(100)
    assert.equal(node.disk.entries.length, before, 'then it is silent')
  })

  it('writes nothing when nobody has a session', async () => {
    const node = await HandDrivenNode.leading()
    const before = node.disk.entries.length
    await node.clock.pass(60_000)
    assert.equal(node.disk.entries.length, before)
  })

  for (const tickMs of [5, 10, 50, 100]) {
    it(`runs on time with a tick of ${tickMs} ms`, async () => {
      const node = await HandDrivenNode.leading({ tickMs })
      const openedMs = node.clock.nowMs()
      node.submit(open(7, 10_000))
      const afterMs = await endsAfter(node, 1, openedMs, 30_000)
      assert(afterMs >= 10_000 && afterMs <= 10_000 + lateMsMax(10_000), `after ${afterMs} ms`)
    })
  }

  it('does not start a TTL anew when the leader changes in the middle of a long silence', async () => {
    const node = await HandDrivenNode.leading()
    const openedMs = node.clock.nowMs()
    node.submit(open(7, 60_000))
    await node.clock.pass(59_000)
    const stoppedMs = node.clock.nowMs()
    await node.restart()
    while (!node.replica.status.serving) await node.clock.pass(10)
    const withoutLeaderMs = node.clock.nowMs() - stoppedMs
    const afterMs = await endsAfter(node, 1, openedMs, 120_000)
    assert(afterMs >= 60_000, `early: after ${afterMs} ms`)
    assert(afterMs <= 60_000 + lateMsMax(60_000) + withoutLeaderMs, `late: after ${afterMs} ms`)
  })

  it('buries a dead session although leaders die again and again', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7, 5_000))
    for (let life = 0; life < 10; life++) {
      await node.clock.pass(1_000)
      await node.restart()
    }
    await node.clock.pass(50)
    assert.equal(node.machine.session(1), undefined)
  })

  it('reads the renewals that waited while the process was stopped before anything ends', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7, 1_000))
    await node.clock.pass(500)
    node.clock.stall(5_000)
    await node.clock.pass(10)
    const verdicts = node.submit(keepAlive(1, 7))
    await node.clock.pass(10)
    assert.deepEqual(verdicts, [{ kind: 'renewed', ttlMs: 1_000 }])
  })

  it('counts the TTL of a renewal from its own entry, on a busy disk too', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7, 1_000))
    await node.clock.pass(10)
    node.diskStalled = true
    node.submit(open(8, 10_000))
    await node.clock.pass(400)
    const verdicts = node.submit(keepAlive(1, 7))
    await node.clock.pass(100)
    node.diskStalled = false
    await node.sync()
    const renewedMs = node.clock.nowMs()
    await node.clock.pass(10)
    assert.deepEqual(verdicts, [{ kind: 'renewed', ttlMs: 1_000 }])
    const afterMs = await endsAfter(node, 1, renewedMs, 2_000)
    assert(afterMs >= 1_000 && afterMs <= 1_000 + lateMsMax(1_000), `after ${afterMs} ms`)
  })

  it('goes on while the disk is busy', async () => {
    const node = await HandDrivenNode.leading()
    const openedMs = node.clock.nowMs()
    node.submit(open(7, 2_000))
    for (let busy = 0; busy < 8; busy++) {
      await node.clock.pass(10)
      node.diskStalled = true
      node.submit(open(100 + busy))
      await node.clock.pass(300)
      node.diskStalled = false
      await node.sync()
    }
    assert(node.clock.nowMs() - openedMs < 2_000 + 300 + lateMsMax(2_000))
    await node.clock.pass(10)
    assert.equal(node.machine.session(1), undefined)
  })

  /** No transfer of leadership succeeds in this cluster; each is given up after an election timeout of 600 ms. */
  const withFailingTransfers = async () => {
    const cluster = await HandDrivenCluster.start(3)
    cluster.copies = (item) => (item.kind === 'raft' && item.message.kind === 'timeout_now' ? 0 : 1)
    const leader = await cluster.leader()
    const [other] = cluster.nodes.filter((node) => node !== leader)
    const transfer = (): void => leader.replica.transfer(other!.id, () => undefined)
    return { leader, transfer }
  }

  it('ends a session though a transfer of leadership that fails begins at the very moment', async () => {
    for (let earlyMs = -2; earlyMs <= 12; earlyMs++) {
      const { leader, transfer } = await withFailingTransfers()
      const openedMs = leader.clock.nowMs()
      leader.submit(open(7, 1_000))
      leader.clock.after(1_000 + earlyMs, transfer)
      const afterMs = await endsAfter(leader, 1, openedMs, 5_000)
      assert(afterMs <= 1_000 + lateMsMax(1_000) + 600, `late: after ${afterMs} ms`)
    }
  })

  it('goes on during transfers of leadership that fail', async () => {
    const { leader, transfer } = await withFailingTransfers()
    const openedMs = leader.clock.nowMs()
    leader.submit(open(7, 10_000))
    for (const ms of [1_000, 4_000, 7_000]) leader.clock.after(ms, transfer)
    const afterMs = await endsAfter(leader, 1, openedMs, 15_000)
    assert(afterMs >= 10_000, `early: after ${afterMs} ms`)
    assert(afterMs <= 10_000 + lateMsMax(10_000), `late: after ${afterMs} ms`)
  })

  it('forgets what it said as a leader whom nobody heard, and goes on from what the log says (fault 35)', async () => {
    const node = await HandDrivenNode.start({ voters: [1, 2, 3] })
    await node.clock.pass(700)
    await node.agree()
    node.submit(open(7, 400))
    await node.agree()
    assert.equal(node.machine.sessions.size, 1)
    const { term, lastIndex } = node.replica.status

    const leaver = { gone: false, settle: () => undefined }
    await node.clock.pass(480)
    node.proposals.submit(open(8), leaver)
    await node.clock.pass(10)
    leaver.gone = true
    const told = node.logged.map(({ at }) => at - node.machine.at)
    assert(
      told.some((at) => at >= 400 && at < 450),
      'cut off from the others, it proposes that the session ends',
    )
    assert(told.at(-1)! > 450, 'and something more')

    const entries = [
      { index: lastIndex + 1, term: term + 1, payload: new Uint8Array() },
      { index: lastIndex + 2, term: term + 1, payload: renewal(node.machine.at + 20) },
    ]
    const commit = lastIndex + 2
    const prev = { prevIndex: lastIndex, prevTerm: term }
    node.hears(2, { kind: 'append', term: term + 1, ...prev, entries, commit, round: 0 })
    await node.clock.turn()
    assert.equal(node.machine.session(1)!.expiresAt, node.machine.at + 400, 'the next leader renews it')

    node.sent.length = 0
    node.replica.disconnected(2)
    while (!node.replica.status.serving) {
      await node.clock.pass(10)
      await node.agree()
    }
    const servesMs = node.clock.nowMs()
    let ended: number | undefined
    node.attachments.onSessionEnded(1, () => {
      ended = node.clock.nowMs()
    })
    for (let passed = 0; passed < 1_000; passed += 10) {
      await node.clock.pass(10)
      await node.agree()
    }
    assert(ended !== undefined, 'it ends')
    assert(ended - servesMs >= 390, `early: ${ended - servesMs} ms after the leader began to serve`)
    assert(ended - servesMs <= 400 + lateMsMax(400), `late: after ${ended - servesMs} ms`)
  })
})

function renewal(at: number): Uint8Array {
  const commands = encodeCommands([keepAlive(1, 7)])
  return encodePayload(at, [{ origin: 2, first: 1, count: 1, commands }])
}
