import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entryBytes, type RaftConfig } from '../../raft/index.js'
import type { Verdict } from '../../src/machine/language/command.js'
import type { PeerItem } from '../../src/replica/ports.js'
import { acquire, open, release } from '../machine/commands.js'
import { portrait } from '../machine/stories.js'
import type { HandDrivenNode } from './hand-driven.js'
import { HandDrivenCluster } from './hand-driven-cluster.js'

const CHECKPOINT_BYTES = 4_000
const TTL_MS = 3_600_000
/** The most that is kept behind a snapshot under way, and what comes until the next checkpoint is written. */
const KEPT_INTERVALS_MAX = 66
/** So long that a few of them make more than one chunk. */
const LABEL = 'x'.repeat(200)

/** Asks and waits for the verdicts, in order. */
async function ask(
  cluster: HandDrivenCluster,
  node: HandDrivenNode,
  ...commands: Parameters<HandDrivenNode['submit']>
): Promise<Verdict[]> {
  const verdicts = node.submit(...commands)
  await cluster.until('every command has its verdict', () => verdicts.length === commands.length)
  return verdicts
}

/** A cluster of three with session 1, in which 3 is cut off, and the log of the others has moved beyond what 3 has. */
async function withOneLeftBehind(locks = 2_000, raft: Partial<RaftConfig> = {}) {
  const cluster = await HandDrivenCluster.start(3, { checkpointBytes: CHECKPOINT_BYTES, raft })
  const leader = await cluster.leader()
  const lost = cluster.nodes.find((node) => node !== leader)!
  await ask(cluster, leader, open(101, TTL_MS))
  await cluster.agree()
  cluster.isolate(lost.id)
  await holdLocks(cluster, leader, locks)
  await loseSight(cluster, leader, lost)
  return { cluster, leader, lost }
}

/** The session takes so many locks, each by a slot of its own. */
async function holdLocks(cluster: HandDrivenCluster, leader: HandDrivenNode, locks: number): Promise<void> {
  for (let slot = 0; slot < locks; slot += 50) {
    const batch = Array.from({ length: 50 }, (_, k) =>
      acquire(1, { slot: slot + k, names: [`name ${slot + k}`], label: LABEL }),
    )
    for (const verdict of await ask(cluster, leader, ...batch)) assert.equal(verdict.kind, 'granted')
  }
}

/** Traffic until the leader's disk has forgotten entries that the other lacks. */
async function loseSight(
  cluster: HandDrivenCluster,
  leader: HandDrivenNode,
  lost: HandDrivenNode,
): Promise<void> {
  const { lastIndex } = lost.replica.status
  for (let cycles = 0; (leader.disk.start?.index ?? 0) <= lastIndex; cycles++) {
    assert(cycles < 1_000, 'the log on disk is cut sooner or later')
    await cycle(cluster, leader)
  }
  const isOffered = () => leader.replica.progress().some(({ snapshot }) => snapshot)
  await cluster.until('what it was offered in vain is given up', () => !isOffered())
}

let seq = 0

/** Takes and releases a lock with a long label, by two slots far from the others. */
async function cycle(cluster: HandDrivenCluster, leader: HandDrivenNode): Promise<void> {
  seq++
  const [verdict] = await ask(
    cluster,
    leader,
    acquire(1, { slot: 65_000, seq, names: ['cycle'], label: LABEL }),
  )
  assert(verdict?.kind === 'granted')
  await ask(cluster, leader, release(1, verdict.token, { slot: 65_001, seq }))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function chunks(items: readonly PeerItem[]): number {
  return items.filter(({ kind }) => kind === 'snapshot_chunk').length
}

function assertEqual(cluster: HandDrivenCluster): void {
  const [first, ...others] = cluster.nodes.map(({ machine }) => portrait(machine))
  for (const other of others) assert.deepEqual(other, first)
  for (const { fatal } of cluster.nodes) assert.deepEqual(fatal, [])
}

describe('a follower that fell behind the window', () => {
  it('gets the records in chunks, and goes on from there as one that was never away', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind()
    const sent: PeerItem[] = []
    cluster.copies = (item) => sent.push(item) && 1
    cluster.heal()
    await cluster.agree()
    assert.equal(lost.restored, 1)
    assert(chunks(sent) >= 3, `${chunks(sent)} chunks`)
    assertEqual(cluster)
    await cycle(cluster, leader)
    await cluster.agree()
    assert.equal(lost.restored, 1)
    assertEqual(cluster)
  })

  it('keeps what it got: a new process finds it on its disk', async () => {
    const { cluster, lost } = await withOneLeftBehind(100)
    cluster.heal()
    await cluster.agree()
    await lost.restart()
    assert.equal(lost.machine.sessions.size, 1)
    assert.equal(lost.machine.name('name 7')?.holders.length, 1)
    await cluster.agree()
    assert.equal(lost.restored, 1, 'it needs no other')
    assertEqual(cluster)
  })

  for (const [what, copies] of [
    ['lost', 0],
    ['doubled', 2],
  ] as const) {
    it(`gets it although a third of all that is said of it is ${what}`, async () => {
      const { cluster, lost } = await withOneLeftBehind()
      let count = 0
      cluster.copies = ({ kind }) =>
        kind.startsWith('snapshot') && (++count * 0.618_034) % 1 < 1 / 3 ? copies : 1
      cluster.heal()
      await cluster.until('it has caught up', () => lost.restored > 0, 60_000)
      await cluster.agree()
      assert.equal(lost.restored, 1)
      assertEqual(cluster)
    })
  }

  it('is sent each chunk about once, even if the network doubles all that is said', async () => {
    const { cluster, lost } = await withOneLeftBehind()
    const sent: PeerItem[] = []
    cluster.copies = (item) => sent.push(item) && (item.kind.startsWith('snapshot') ? 2 : 1)
    cluster.heal()
    await cluster.until('it has caught up', () => lost.restored > 0)
    const total = 1 + Math.ceil(2_000 / 700)
    assert(chunks(sent) <= 2 * total + 2, `${chunks(sent)} chunks were sent`)
  })

  it('asks again for a chunk that was altered on the way, and not in a tight circle (fault 23)', async () => {
    const { cluster, lost } = await withOneLeftBehind()
    let altered = 0
    cluster.copies = (item, from, to) => {
      if (item.kind !== 'snapshot_chunk' || altered === 3) return 1
      altered++
      const data = Uint8Array.from(item.data)
      data[40]! ^= 1
      cluster.clock.after(1, () => cluster.node(to).receives(from, { ...item, data }))
      return 0
    }
    cluster.heal()
    const beganMs = cluster.clock.nowMs()
    await cluster.until('it has caught up', () => lost.restored > 0)
    assert(cluster.clock.nowMs() - beganMs > 2_000, 'it waits a while after each')
    await cluster.agree()
    assertEqual(cluster)
  })

  it('goes on where it was when it was cut off in the middle, though the sender had given up', async () => {
    const { cluster, lost } = await withOneLeftBehind()
    let passed = 0
    cluster.copies = (item) => {
      if (item.kind === 'snapshot_chunk' && ++passed === 3) cluster.isolate(lost.id)
      return 1
    }
    cluster.heal()
    await cluster.until('two chunks have arrived', () => passed === 3)
    await cluster.clock.pass(30_000)
    assert.equal(lost.restored, 0)
    const after: PeerItem[] = []
    cluster.copies = (item) => after.push(item) && 1
    cluster.heal()
    await cluster.until('it has caught up', () => lost.restored > 0)
    await cluster.agree()
    const wanted = after.flatMap((item) => (item.kind === 'snapshot_want' ? [item.sequence] : []))
    assert.equal(wanted[0], 2, 'it has two')
    assertEqual(cluster)
  })

  it('gets it from the next leader when the sender dies in the middle', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind()
    const sent: PeerItem[] = []
    cluster.copies = (item) => sent.push(item) && 1
    cluster.heal()
    while (chunks(sent) < 2) await cluster.clock.pass(1)
    leader.crash()
    await cluster.until('it has caught up', () => lost.restored > 0, 60_000)
    await leader.boot()
    await cluster.agree()
    assertEqual(cluster)
  })

  it('begins anew when it dies in the middle itself, at whatever moment', async () => {
    for (const survives of [0, 0.9]) {
      for (let moment = 0; moment < 40; moment++) {
        const { cluster, lost } = await withOneLeftBehind(700)
        lost.survives = survives
        cluster.heal()
        await cluster.until('the first chunk is there', () => lost.replica.status.leader !== 0)
        lost.diskStalled = moment % 2 === 1
        await cluster.clock.pass(moment)
        await lost.restart()
        lost.diskStalled = false
        await cluster.agree()
        assertEqual(cluster)
      }
    }
  })

  it('asks again for what it leapt over, and each effect is there once (P5)', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind(100)
    cluster.heal()
    await cluster.agree()
    const token = leader.machine.claims.nextToken
    const verdicts = lost.submit(
      acquire(1, { slot: 500, names: ['asked while away'] }),
      open(107, TTL_MS),
      acquire(1, { slot: 501, names: ['name 7'] }),
    )
    await cluster.clock.turn()
    // What it has said arrives; what it is told does not.
    cluster.copies = (_, __, to) => (to === lost.id ? 0 : 1)
    await cluster.until('its request is done', () => leader.machine.claims.nextToken > token)
    await loseSight(cluster, leader, lost)
    assert.equal(verdicts.length, 0)
    cluster.copies = () => 1
    await cluster.until('it has caught up', () => lost.restored === 2)
    await cluster.until('it has its answers', () => verdicts.length === 3, 300)
    assert(verdicts[0]?.kind === 'granted')
    assert.equal(verdicts[0].token, token)
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['granted', 'opened', 'queued'],
    )
    assert.equal(leader.machine.sessions.size, 2)
    await cluster.agree()
    assertEqual(cluster)
  })

  it('puts it in place when its disk is busy with a write of the old log', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind(100)
    cluster.copies = (item) => {
      if (item.kind === 'snapshot_chunk' && !lost.diskStalled) {
        lost.diskStalled = true
        // Somebody stands for election: the term is on its way to the disk when the last chunk comes.
        const term = leader.replica.status.term + 1
        const third = cluster.nodes.find((node) => node !== leader && node !== lost)!
        const { lastIndex } = leader.replica.status
        lost.hears(third.id, { kind: 'vote', term, pre: false, transfer: true, lastIndex, lastTerm: term })
      }
      return 1
    }
    cluster.heal()
    await cluster.until('a write is under way', () => lost.diskStalled)
    await cluster.clock.pass(20)
    lost.diskStalled = false
    await lost.sync()
    cluster.copies = () => 1
    await cluster.until('it has caught up', () => lost.restored > 0)
    await cluster.agree()
    assertEqual(cluster)
  })

  it('puts it in place once a checkpoint of its own is written that was under way', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind(100)
    let begun = 0
    let goOn = () => {}
    lost.onCheckpoint = () => {
      begun++
      return new Promise((resolve) => {
        goOn = resolve
      })
    }
    cluster.heal()
    await cluster.agree()
    lost.restored = 0
    while (begun === 0) await cycle(cluster, leader)
    cluster.isolate(lost.id)
    await loseSight(cluster, leader, lost)
    cluster.heal()
    await cluster.clock.pass(2_000)
    assert.equal(lost.restored, 0, 'not while it is written')
    assert.equal(lost.replica.status.leader, leader.id, 'meanwhile it follows')
    goOn()
    await cluster.agree()
    assert.equal(lost.restored, 1)
    assert.equal(begun, 1)
    lost.onCheckpoint = async () => undefined
    for (let k = 0; k < 20; k++) await cycle(cluster, leader)
    await lost.restart()
    await cluster.agree()
    assertEqual(cluster)
  })

  it('is not kept from it by another who offers an older one, and leads no more', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind()
    const sent: { kind: string; from: number }[] = []
    // Slow: each chunk takes more than a second, so that whoever waits for the follower offers again.
    cluster.copies = (item, from, to) => {
      sent.push({ kind: item.kind, from })
      if (item.kind !== 'snapshot_chunk') return 1
      cluster.clock.after(900, () => cluster.node(to).receives(from, item))
      return 0
    }
    cluster.heal()
    await cluster.until(
      'two chunks are sent',
      () => sent.filter(({ kind }) => kind === 'snapshot_chunk').length >= 2,
    )
    void leader.replica.handOver()
    await cluster.until('another leads', () =>
      cluster.nodes.some((node) => node !== leader && node.replica.status.serving),
    )
    sent.length = 0
    await cluster.until('it has caught up', () => lost.restored > 0, 60_000)
    const former = sent.filter(({ kind, from }) => kind.startsWith('snapshot') && from === leader.id)
    assert.deepEqual(former, [], 'who leads no more gives none')
    await cluster.agree()
    assertEqual(cluster)
  })

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

  it('that is stopped in the middle leaves nothing under way', async () => {
    for (let moment = 0; moment < 12; moment++) {
      const { cluster, lost } = await withOneLeftBehind(700)
      let hears = false
      cluster.copies = ({ kind }) => {
        hears ||= kind === 'snapshot_chunk'
        return 1
      }
      cluster.heal()
      while (!hears) await cluster.clock.pass(1)
      lost.diskStalled = true
      await cluster.clock.pass(moment)
      let stopped = false
      void lost.replica.stop().then(() => {
        stopped = true
      })
      await lost.sync()
      await cluster.clock.turn()
      assert.equal(stopped, true)
      lost.proposals.stop()
      const { start, checkpoint } = lost.disk
      lost.diskStalled = false
      await lost.sync()
      await cluster.clock.pass(100)
      assert.equal(lost.disk.start, start)
      assert.equal(lost.disk.checkpoint, checkpoint)
      assert.equal(lost.restored, 0)
      assert.deepEqual(lost.fatal, [])
    }
  })

  it('that is stopped while its disk puts the snapshot in place has stopped when that is done', async () => {
    const { cluster, lost } = await withOneLeftBehind(100)
    cluster.copies = ({ kind }) => {
      if (kind === 'snapshot_chunk') lost.diskStalled = true
      return 1
    }
    cluster.heal()
    await cluster.until('the last chunk is on its way', () => lost.diskStalled)
    await cluster.clock.pass(20)
    let stopped = false
    const stopping = lost.replica.stop().then(() => {
      stopped = true
    })
    await cluster.clock.pass(1_000)
    assert.equal(stopped, false)
    const { checkpoint } = lost.disk
    await lost.sync()
    await stopping
    assert.notEqual(lost.disk.checkpoint, checkpoint)
    assert.equal(lost.restored, 0, 'nobody is told any more')
  })

  it('stops when its disk fails while a snapshot is put in place, and has one or the other afterwards', async () => {
    for (const survives of [0, 0.9]) {
      const { cluster, lost } = await withOneLeftBehind(100)
      lost.survives = survives
      cluster.copies = ({ kind }) => {
        if (kind === 'snapshot_chunk') lost.diskStalled = true
        return 1
      }
      cluster.heal()
      await cluster.until('the last chunk is on its way', () => lost.diskStalled)
      await cluster.clock.pass(20)
      await lost.failWrite(new Error('input/output error'))
      assert.deepEqual(
        lost.fatal.map((error) => (error as Error).message),
        ['input/output error'],
      )
      assert.equal(lost.restored, 0)
      lost.fatal.length = 0
      lost.diskStalled = false
      cluster.copies = () => 1
      await lost.restart()
      await cluster.agree()
      assertEqual(cluster)
    }
  })

  it('takes no snapshot of what it has already, and says so', async () => {
    const { cluster, leader, lost } = await withOneLeftBehind(100)
    const offers: PeerItem[] = []
    cluster.copies = (item) => {
      if (item.kind === 'snapshot_offer') offers.push(item)
      return 1
    }
    cluster.heal()
    await cluster.agree()
    const before = portrait(lost.machine)
    const answers: PeerItem[] = []
    cluster.copies = (item, from) => {
      if (from === lost.id && item.kind === 'snapshot_want') answers.push(item)
      return 1
    }
    for (const offer of offers) lost.receives(leader.id, offer)
    await cluster.clock.pass(100)
    assert.equal(lost.restored, 1)
    assert.deepEqual(portrait(lost.machine), before)
    assert(
      answers.length > 0 &&
        answers.every((item) => item.kind === 'snapshot_want' && item.sequence === undefined),
    )
  })
})
