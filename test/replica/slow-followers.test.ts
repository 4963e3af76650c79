import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entryBytes } from '../../raft/index.js'
import { open } from '../machine/commands.js'
import { HandDrivenCluster } from './hand-driven-cluster.js'
import {
  ask,
  assertEqual,
  CHECKPOINT_BYTES,
  cycle,
  loseSight,
  sum,
  TTL_MS,
  withOneLeftBehind,
} from './left-behind.js'

/** The most that is kept behind a snapshot under way, and what comes until the next checkpoint is written. */
const KEPT_INTERVALS_MAX = 66

describe('a follower that is slow', () => {
  it('catches up although many checkpoints are written while its own is on the way', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind()
    const starts = new Set<number>()
    cluster.copies = (item, from, to) => {
      if (item.kind === 'snapshot_offer') starts.add(item.start.index)
      if (item.kind !== 'snapshot_chunk') return 1
      cluster.clock.after(400, () => cluster.node(to).receives(from, item))
      return 0
    }
    cluster.heal()
    const before = leader.disk.checkpoint!.start.index
    while (lost.restored === 0) await cycle(cluster, leader)
    assert(leader.disk.checkpoint!.start.index > before + 60, 'checkpoints were written meanwhile')
    assert.equal(starts.size, 1, 'the log behind the first snapshot was kept for it')
    cluster.copies = () => 1
    await cluster.agree()
    assert.equal(lost.restored, 1)
    await loseSight(cluster, leader, lost)
    assertEqual(cluster)
  })

  it('is given all that was logged meanwhile, over a slow link, before any of it is forgotten', async () => {
    const small = { appendBytesMax: 1_000, inflightBytesMax: 8_000 }
    const { cluster, leader, lost } = await withOneLeftBehind(6_000, small)
    let freeMs = 0
    cluster.copies = (item, from, to) => {
      if (to !== lost.id) return 1
      const entries = item.kind === 'raft' && item.message.kind === 'append' ? item.message.entries : []
      // The log grows by 20 bytes in a millisecond.
      const ms = item.kind === 'snapshot_chunk' ? 800 : sum(entries.map(entryBytes)) / 40
      freeMs = Math.max(freeMs, cluster.clock.nowMs()) + ms
      cluster.clock.after(freeMs - cluster.clock.nowMs(), () => lost.receives(from, item))
      return 0
    }
    cluster.heal()
    const behind = () => leader.replica.appliedIndex - lost.replica.appliedIndex
    for (let cycles = 0; lost.restored === 0 || behind() > 10; cycles++) {
      assert(cycles < 1_500, `${behind()} entries are missing after ${lost.restored} snapshots`)
      await cycle(cluster, leader)
    }
    assert.equal(lost.restored, 1)
  })

  it('gets one too if it is in reach and does not get on, and until then is sent no more than it can take', async () => {
    const raft = { appendBytesMax: 1_000, inflightBytesMax: 8_000 }
    const cluster = await HandDrivenCluster.start(3, { checkpointBytes: CHECKPOINT_BYTES, raft })
    const leader = await cluster.leader()
    const stalled = cluster.nodes.find((node) => node !== leader)!
    await ask(cluster, leader, open(101, TTL_MS))
    await cluster.agree()
    stalled.diskStalled = true
    for (let cycles = 0; cycles < 300; cycles++) await cycle(cluster, leader)
    const { lastIndex } = stalled.replica.status
    assert(lastIndex < 100, `it was sent ${lastIndex} entries, and has acknowledged nothing`)
    stalled.diskStalled = false
    await stalled.sync()
    await cluster.agree()
    assert.equal(stalled.restored, 1, 'the log was not kept for it')
    assertEqual(cluster)
  })

  it('does not keep the log for ever if it is very slow, and catches up when there is less to do', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind(6_000)
    cluster.copies = (item, from, to) => {
      if (item.kind !== 'snapshot_chunk') return 1
      cluster.clock.after(4_000, () => cluster.node(to).receives(from, item))
      return 0
    }
    cluster.heal()
    let longest = 0
    for (let cycles = 0; cycles < 800; cycles++) {
      await cycle(cluster, leader)
      longest = Math.max(longest, sum(leader.disk.entries.map(entryBytes)))
    }
    const intervals = longest / CHECKPOINT_BYTES
    assert(intervals > 64 && intervals < KEPT_INTERVALS_MAX, `${intervals} intervals of log`)
    const hasCaughtUp = () => lost.replica.appliedIndex === leader.replica.appliedIndex
    await cluster.until('it has caught up', hasCaughtUp, 60_000)
    await cluster.agree()
    assertEqual(cluster)
  })
})
