import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Configuration, Entry, LogStart, Message } from '../../raft/index.js'
import { Machine } from '../../src/machine/machine.js'
import type { Backup } from '../../src/replica/ports.js'
import { acquire, open } from '../machine/commands.js'
import { portrait } from '../machine/stories.js'
import { snapshotChunks } from '../suites/checkpoint.js'
import { HandDrivenNode, heartbeat } from './hand-driven.js'

const CONFIG: Configuration = { voters: [1, 2, 3], outgoing: [], learners: [] }

/** The machine of a peer, and the chunks of its checkpoint: one with records, one that ends it. */
async function snapshotOf(start: LogStart) {
  const machine = new Machine()
  machine.apply({ at: 5, commands: [open(101, 3_600_000), acquire(1)] })
  const [records, end] = await snapshotChunks(machine, start)
  return { machine, records: records!, end: end! }
}

function run(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, k) => ({
    index: from + k,
    term,
    payload: new Uint8Array(),
  }))
}

function append(term: number, entries: readonly Entry[], prevIndex = 0, prevTerm = 0): Message {
  return { kind: 'append', term, prevIndex, prevTerm, entries, commit: prevIndex + entries.length, round: 0 }
}

/** Node 1, to which node 2, the leader of term 1, has offered a checkpoint of entry 10; it wants the last chunk. */
async function receiving(start: LogStart, checkpointBytes?: number) {
  const node = await HandDrivenNode.start({ voters: [1, 2, 3], ...(checkpointBytes && { checkpointBytes }) })
  const snapshot = await snapshotOf(start)
  const { index } = start
  node.hears(2, heartbeat(1))
  await node.clock.turn()
  const give = async (data: Uint8Array) => {
    node.receives(2, { kind: 'snapshot_chunk', index, data })
    await node.clock.turn()
  }
  const offer = async () => {
    node.receives(2, { kind: 'snapshot_offer', start })
    await node.clock.turn()
  }
  return { node, give, offer, ...snapshot }
}

describe('a snapshot, chunk by chunk', () => {
  const start = { index: 10, term: 1, config: CONFIG }

  it('is in force once its last chunk is here, and the leader hears of it', async () => {
    const { node, machine, give, offer, records, end } = await receiving(start)
    await offer()
    await give(records)
    assert.equal(node.replica.appliedIndex, 0)
    node.sent.length = 0
    await give(end)
    assert.equal(node.replica.appliedIndex, 10)
    assert.deepEqual(portrait(node.machine), portrait(machine))
    assert.deepEqual(
      node.takeMessages().map(({ to, message }) => [to, message.kind === 'append_result' && message.index]),
      [[2, 10]],
    )
  })

  it('starts over when its sender has no chunk of the number that is wanted, as one that cuts it otherwise', async () => {
    const { node, give, offer, records, end } = await receiving(start)
    await offer()
    await give(records)
    node.sent.length = 0
    for (let k = 0; k < 11; k++) await offer()
    const wanted = node.sent.map(({ item }) => item.kind === 'snapshot_want' && item.sequence)
    assert.deepEqual(wanted, [...Array.from({ length: 10 }, () => 1), 0])
    await give(records)
    await give(end)
    assert.equal(node.replica.appliedIndex, 10)
  })

  it('is let go when the log has come further meanwhile: nothing that was acknowledged goes', async () => {
    const { node, give, offer, records, end } = await receiving(start)
    await offer()
    await give(records)
    node.hears(3, append(2, run(1, 12, 2)))
    await node.clock.turn()
    assert.equal(node.replica.appliedIndex, 12)
    await give(end)
    await node.clock.pass(100)
    assert.equal(node.restored, 0)
    assert.equal(node.replica.appliedIndex, 12)
    assert.equal(node.disk.entries.length, 12)
    assert.equal(node.disk.start?.index ?? 0, 0)
    assert.deepEqual(node.fatal, [])
  })

  it('is let go when its last entry is in the log, though nobody knows yet that it is committed', async () => {
    const { node, give, offer, records, end } = await receiving(start)
    await offer()
    await give(records)
    node.hears(2, { ...append(1, run(1, 12, 1)), commit: 0 } as Message)
    await node.clock.turn()
    await give(end)
    assert.equal(node.restored, 0)
    assert.equal(node.disk.entries.length, 12, 'entries 11 and 12 may be acknowledged')
    assert.deepEqual(node.fatal, [])
  })

  it('is put in place before anything else is heard: what comes meanwhile finds the new log', async () => {
    const { node, give, offer, records, end } = await receiving(start)
    await offer()
    await give(records)
    node.sent.length = 0
    node.diskStalled = true
    await give(end)
    node.hears(2, append(1, run(11, 12, 1), 10, 1))
    node.hears(3, { kind: 'vote', term: 2, pre: true, transfer: false, lastIndex: 20, lastTerm: 1 })
    await node.clock.pass(2_000)
    assert.deepEqual(node.takeMessages(), [], 'it neither answers nor campaigns')
    node.diskStalled = false
    await node.sync()
    await node.clock.turn()
    assert.equal(node.restored, 1)
    assert.equal(node.replica.appliedIndex, 12)
    assert.deepEqual(
      node.disk.entries.map(({ index }) => index),
      [11, 12],
    )
    assert.deepEqual(node.fatal, [])
  })

  it('of many locks is made a machine step by step, and meanwhile the node hears and answers', async () => {
    const { node, give, offer } = await receiving(start)
    const machine = new Machine()
    const locks = Array.from({ length: 8_000 }, (_, k) => acquire(1, { slot: k, names: [`name ${k}`] }))
    machine.apply({ at: 5, commands: [open(101, 3_600_000), ...locks] })
    await offer()
    for (const chunk of await snapshotChunks(machine, start)) await give(chunk)
    let turns = 0
    for (; node.restored === 0; turns++) {
      assert.ok(turns < 100)
      assert.equal(node.replica.appliedIndex, 0)
      node.sent.length = 0
      node.hears(2, heartbeat(1))
      await node.clock.turn()
      assert.equal(node.takeMessages().length, 1, 'the heartbeat is answered')
      await node.clock.pass(1)
    }
    // Slots, claims and the holders among them, at most 2,000 in a step.
    assert.ok(turns >= 12, `${turns} turns`)
    assert.deepEqual(portrait(node.machine), portrait(machine))
  })

  it('that is in place may be followed by a backup or an orderly stop at once', async () => {
    const { node, give, offer, records, end } = await receiving(start)
    let backup: Promise<Backup> | undefined
    let isStopping = true
    node.onRestored = () => {
      node.clock.soon(() => {
        backup = node.replica.openBackup()
      })
      void node.replica.checkpoint().then(() => {
        isStopping = false
      })
    }
    await offer()
    await give(records)
    await give(end)
    await node.clock.pass(100)
    assert.equal(isStopping, false)
    const { source } = await backup!
    assert.equal(source.start.index, 10)
    await source.close()
    assert.deepEqual(node.fatal, [])
  })

  it('that takes long to be put in place is not given up by its sender', async () => {
    const { node, give, offer, records, end } = await receiving(start)
    await offer()
    await give(records)
    node.diskStalled = true
    await give(end)
    node.sent.length = 0
    await offer()
    await offer()
    const wanted = node.sent.flatMap(({ item }) => (item.kind === 'snapshot_want' ? [item.sequence] : []))
    assert.deepEqual(wanted, [1, 1], 'its last chunk again, as a sign of life')
    await give(end)
    node.diskStalled = false
    await node.sync()
    await node.clock.turn()
    assert.equal(node.restored, 1)
    assert.deepEqual(node.fatal, [])
  })

  it('ends the checkpoint that had been begun of the machine before', async () => {
    const { node, give, offer, records, end } = await receiving(start, 100)
    node.hears(2, append(1, run(1, 4, 1)))
    await node.clock.turn()
    await offer()
    await give(records)
    await give(end)
    assert.equal(node.restored, 1)
    await node.clock.pass(100)
    assert.equal(node.disk.checkpoint?.start.index, 10)
    node.hears(2, append(1, run(11, 14, 1), 10, 1))
    await node.clock.pass(100)
    assert.equal(node.disk.checkpoint?.start.index, 12, 'the next one is of the machine that is')
    assert.deepEqual(node.fatal, [])
  })

  it('gives way to another that is offered, and the chunks of the first are dropped', async () => {
    const { node, give, offer, records } = await receiving(start)
    await offer()
    await give(records)
    const newer = { ...start, index: 15 }
    const other = await snapshotOf(newer)
    node.sent.length = 0
    node.receives(3, { kind: 'snapshot_offer', start: newer })
    await node.clock.turn()
    await give(records)
    node.receives(3, { kind: 'snapshot_chunk', index: 15, data: other.records })
    await node.clock.turn()
    node.receives(3, { kind: 'snapshot_chunk', index: 15, data: other.end })
    await node.clock.turn()
    assert.equal(node.replica.appliedIndex, 15)
    assert.deepEqual(
      node.sent.flatMap(({ to, item }) => (item.kind === 'snapshot_want' ? [[to, item.sequence]] : [])),
      [
        [3, 0],
        [3, 1],
        [3, undefined],
      ],
    )
  })
})
