import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCommands } from '../../src/replica/payload.js'
import { HandDrivenNode, heartbeat, keepAlive, open } from './hand-driven.js'

const OF_THREE = { voters: [1, 2, 3] }

describe('the loop: what becomes entries', () => {
  it('gathers what comes while the disk is busy into the next entry', async () => {
    const node = await HandDrivenNode.leading()
    node.diskStalled = true
    node.submit(open(1))
    await node.clock.turn()
    for (const key of [2, 3]) {
      node.submit(open(key))
      await node.clock.turn()
    }
    await node.sync()
    await node.sync()
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[1], [2, 3]],
    )
  })

  it('cuts what has gathered into entries of bounded size', async () => {
    const node = await HandDrivenNode.leading()
    const commands = new Uint8Array(600_000)
    for (let k = 0; k < 4; k++) node.replica.propose({ origin: 2, first: k, count: 1, commands })
    await node.clock.turn()
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[0], [1], [2], [3]],
    )
  })

  it('cuts what has gathered into entries that are applied in a moment, in one write', async () => {
    const node = await HandDrivenNode.leading()
    node.diskStalled = true
    node.submit(open(1))
    await node.clock.turn()
    const commands = encodeCommands(Array.from({ length: 512 }, (_, k) => open(k + 2)))
    for (let k = 1; k <= 6; k++) node.replica.propose({ origin: 2, first: k, count: 512, commands })
    await node.clock.turn()
    await node.sync()
    await node.sync()
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[1], [1, 2], [3, 4], [5, 6]],
    )
  })

  it('bounds what waits for the disk, and drops what is beyond: its origin will repeat it', async () => {
    const node = await HandDrivenNode.leading()
    const commands = new Uint8Array(1_000_000)
    for (let k = 0; k < 100; k++) node.replica.propose({ origin: 2, first: k, count: 1, commands })
    await node.clock.turn()
    const taken = node.logged.flatMap(({ firsts }) => firsts)
    assert(taken.length > 25 && taken.length < 40, `${taken.length} chunks of 1 MB`)
    node.replica.propose({ origin: 2, first: 100, count: 1, commands })
    await node.clock.turn()
    assert.deepEqual(node.logged.at(-1)!.firsts, [100])
  })

  it('lets no node wait for the flood of another, or be turned away for it', async () => {
    const node = await HandDrivenNode.leading()
    const commands = new Uint8Array(100_000)
    for (let k = 1; k <= 1_000; k++) node.replica.propose({ origin: 2, first: k, count: 1, commands })
    node.replica.propose({ origin: 3, first: 5_000, count: 1, commands: encodeCommands([open(7)]) })
    await node.clock.turn()
    assert(node.logged.length > 10, `${node.logged.length} entries`)
    assert.equal(
      node.logged.findIndex(({ firsts }) => firsts.includes(5_000)),
      0,
      'the entry it is in',
    )
  })

  it('takes no chunk while it does not lead', async () => {
    const node = await HandDrivenNode.start(OF_THREE)
    const commands = encodeCommands([open(1)])
    node.replica.propose({ origin: 2, first: 1, count: 1, commands })
    await node.clock.pass(50)
    assert.deepEqual(node.disk.entries, [])
  })

  it('tells the log the time once, though the disk takes long', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7, 1_000))
    await node.clock.pass(10)
    node.diskStalled = true
    await node.clock.pass(580)
    await node.sync()
    assert.equal(node.logged.length, 2, 'the session, and one entry that tells the time')
    assert(node.logged[1]!.at - node.logged[0]!.at <= 250)
  })

  it('costs an idle cluster little to tell the log the time: less, the further the next deadline', async () => {
    const entriesIn = async (ttlMs: number, ms: number): Promise<number> => {
      const node = await HandDrivenNode.leading()
      node.submit(open(7, ttlMs))
      await node.clock.pass(10)
      const before = node.logged.length
      await node.clock.pass(ms)
      return node.logged.length - before
    }
    assert((await entriesIn(10_000, 9_000)) <= 45)
    assert((await entriesIn(24 * 3_600_000, 9_000)) === 0)
  })
})

describe('the loop: reads', () => {
  it('confirms a read once everything committed before it is applied here', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7))
    let seen: number | undefined
    node.replica.confirmRead((confirmed) => {
      assert(confirmed)
      seen = node.machine.sessions.size
    })
    await node.clock.pass(10)
    let seenLater: number | undefined
    node.replica.confirmRead(() => {
      seenLater = node.machine.sessions.size
    })
    await node.clock.turn()
    assert(seen !== undefined)
    assert.equal(seenLater, 1)
  })

  it('makes a follower wait for the index that the leader names, not for the answer alone', async () => {
    const node = await HandDrivenNode.start(OF_THREE)
    node.hears(2, heartbeat(1))
    await node.clock.turn()
    let confirmed: boolean | undefined
    node.replica.confirmRead((answer) => {
      confirmed = answer
    })
    await node.clock.turn()
    const question = node.takeMessages().find(({ message }) => message.kind === 'read')
    assert(question?.message.kind === 'read')
    node.hears(2, { kind: 'read_result', term: 1, id: question.message.id, index: 1 })
    await node.clock.turn()
    assert.equal(confirmed, undefined)
    const noOp = { index: 1, term: 1, payload: new Uint8Array() }
    node.hears(2, {
      kind: 'append',
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      entries: [noOp],
      commit: 1,
      round: 0,
    })
    await node.clock.turn()
    assert.equal(confirmed, true)
  })

  it('refuses a read without a leader, and every read that waits when it stops', async () => {
    const node = await HandDrivenNode.start(OF_THREE)
    const answers: boolean[] = []
    const ask = (): void => node.replica.confirmRead((confirmed) => answers.push(confirmed))
    ask()
    await node.clock.turn()
    assert.deepEqual(answers, [false])
    node.hears(2, heartbeat(1))
    await node.clock.turn()
    ask()
    await node.clock.turn()
    assert.deepEqual(answers, [false], 'the leader has been asked')
    node.replica.stop()
    assert.deepEqual(answers, [false, false])
    ask()
    assert.deepEqual(answers, [false, false, false])
  })
})

describe('the loop: when something breaks', () => {
  it('stops loudly, once, when whoever hears of an entry throws', async () => {
    const node = await HandDrivenNode.leading()
    node.onApplied = () => {
      throw new Error('a mistake at the door')
    }
    node.submit(open(7))
    await node.clock.pass(100)
    assert.deepEqual(
      node.fatal.map((error) => (error as Error).message),
      ['a mistake at the door'],
    )
    const before = node.disk.entries.length
    node.submit(open(8))
    await node.clock.pass(2_000)
    assert.equal(node.disk.entries.length, before)
  })

  it('stops, and never sends what vouches for the write, when the disk fails (fault 27)', async () => {
    const node = await HandDrivenNode.start(OF_THREE)
    node.diskStalled = true
    const entry = { index: 1, term: 1, payload: new Uint8Array() }
    node.hears(2, {
      kind: 'append',
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      entries: [entry],
      commit: 0,
      round: 0,
    })
    await node.clock.turn()
    assert.deepEqual(node.takeMessages(), [])
    await node.failWrite(new Error('no space left on device'))
    assert.deepEqual(
      node.fatal.map((error) => (error as Error).message),
      ['no space left on device'],
    )
    node.hears(2, heartbeat(1))
    await node.clock.pass(2_000)
    assert.deepEqual(node.takeMessages(), [])
  })

  it('acknowledges an append only when it is on disk (fault 8)', async () => {
    const node = await HandDrivenNode.start(OF_THREE)
    node.diskStalled = true
    const entry = { index: 1, term: 1, payload: new Uint8Array() }
    node.hears(2, {
      kind: 'append',
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      entries: [entry],
      commit: 0,
      round: 0,
    })
    await node.clock.pass(20)
    assert.deepEqual(node.takeMessages(), [])
    await node.sync()
    const [answer] = node.takeMessages()
    assert(answer?.message.kind === 'append_result' && answer.message.accepted)
    assert.equal(node.disk.entries.length, 1)
  })

  it('forgets what had gathered when it is deposed: the next leader gets it from its origin', async () => {
    const node = await HandDrivenNode.leading()
    node.diskStalled = true
    node.submit(open(1))
    await node.clock.turn()
    const verdicts = node.submit(open(2))
    await node.clock.turn()
    await node.clock.pass(700)
    assert.equal(node.replica.status.role, 'follower', 'its disk was silent for too long')
    node.diskStalled = false
    await node.sync()
    await node.clock.pass(1_000)
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['opened'],
    )
    assert.deepEqual(
      node.logged.flatMap(({ firsts }) => firsts),
      [1, 1, 2],
      'the first was under way to the disk, and is repeated for it had no verdict; the second is there once',
    )
  })

  it('serves whoever calls back into it from what it tells', async () => {
    const node = await HandDrivenNode.leading()
    const answers: boolean[] = []
    node.onApplied = ({ index }) => {
      if (index > 2) return
      node.submit(keepAlive(1, 7))
      node.replica.confirmRead((confirmed) => answers.push(confirmed))
    }
    node.submit(open(7))
    await node.clock.pass(50)
    assert.deepEqual(answers, [true])
    assert.deepEqual(node.fatal, [])
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[1], [2]],
    )
  })
})
