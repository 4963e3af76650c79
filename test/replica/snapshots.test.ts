import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerItem } from '../../src/replica/ports.js'
import { acquire, open } from '../machine/commands.js'
import { portrait } from '../machine/stories.js'
import { assertEqual, chunks, cycle, loseSight, TTL_MS, withOneLeftBehind } from './left-behind.js'

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
      ['granted', 'queued', 'opened'],
      'the requests of a session keep together',
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
