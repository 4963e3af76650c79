import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Entry, LogIndex, Message } from '../../raft/index.js'
import { encodeCommands, encodePayload } from '../../src/replica/payload.js'
import { snapshotChunks } from '../suites/checkpoint.js'
import { HandDrivenNode, heartbeat, keepAlive, open } from './hand-driven.js'

/** At `at`, a session is opened with each of these keys. */
function entryOf(index: LogIndex, at: number, ...keys: number[]): Entry {
  const chunk = { origin: 2, first: keys[0]!, count: keys.length }
  const commands = encodeCommands(keys.map((key) => open(key)))
  return { index, term: 1, payload: encodePayload(at, [{ ...chunk, commands }]) }
}

/** Each opens one session. */
function entries(from: LogIndex, to: LogIndex): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, k) => entryOf(from + k, from + k, from + k))
}

/** All of it committed. */
function append(entries: readonly Entry[]): Message {
  const prevIndex = entries[0]!.index - 1
  const commit = prevIndex + entries.length
  return { kind: 'append', term: 1, prevIndex, prevTerm: Math.min(prevIndex, 1), entries, commit, round: 0 }
}

async function follower(commands: number): Promise<HandDrivenNode> {
  return await HandDrivenNode.start({ voters: [1, 2, 3], applyBudget: { ms: 10, commands } })
}

function acknowledged(node: HandDrivenNode): LogIndex[] {
  return node
    .takeMessages()
    .flatMap(({ message }) => (message.kind === 'append_result' && message.accepted ? [message.index] : []))
}

/** Hears them, all in one turn. */
async function takes(node: HandDrivenNode, ...messages: Message[]): Promise<void> {
  node.hears(2, ...messages)
  await node.clock.turn()
}

describe('a backlog of committed entries', () => {
  it('is acknowledged at once, and applied over many turns of the event loop', async () => {
    const node = await follower(20)
    await takes(node, append(entries(1, 100)))
    assert.deepEqual(acknowledged(node), [100])
    assert.equal(node.replica.status.commitIndex, 100)
    assert.equal(node.replica.appliedIndex, 10, 'ten entries of one command each')
    for (let turns = 2; turns <= 10; turns++) {
      await node.clock.nextTurn()
      assert.equal(node.replica.appliedIndex, 10 * turns)
      await takes(node, append(entries(99 + turns, 99 + turns)))
      assert.deepEqual(acknowledged(node), [99 + turns], 'acknowledged in between')
    }
    await node.clock.pass(10)
    assert.equal(node.machine.sessions.size, 109)
  })

  it('is applied for no longer than a turn may take', async () => {
    const node = await follower(1_000)
    node.onApplied = () => node.clock.stall(3)
    await takes(node, append(entries(1, 10)))
    assert.equal(node.replica.appliedIndex, 4, 'four entries of 3 ms')
    await node.clock.nextTurn()
    assert.equal(node.replica.appliedIndex, 8)
  })

  it('has one slice for each turn of the event loop, whatever else the turn is asked for', async () => {
    const node = await follower(20)
    await takes(node, append(entries(1, 100)))
    for (let k = 0; k < 5; k++) await takes(node, heartbeat(1))
    assert.equal(node.replica.appliedIndex, 10)
  })

  it('gets an entry on, however large that is', async () => {
    const node = await follower(3)
    const keys = Array.from({ length: 50 }, (_, k) => k + 1)
    await takes(node, append([entryOf(1, 1, ...keys), entryOf(2, 2, 51)]))
    assert.equal(node.replica.appliedIndex, 1)
    await node.clock.nextTurn()
    assert.equal(node.replica.appliedIndex, 2)
  })

  it('is waited for by a read that was confirmed behind it', async () => {
    const node = await follower(20)
    await takes(node, append(entries(1, 30)))
    let seen: number | undefined
    node.replica.confirmRead((confirmed) => {
      assert.ok(confirmed)
      seen = node.machine.sessions.size
    })
    await node.clock.turn()
    const question = node.takeMessages().find(({ message }) => message.kind === 'read')
    assert.ok(question?.message.kind === 'read')
    await takes(node, { kind: 'read_result', term: 1, id: question.message.id, index: 30 })
    await node.clock.nextTurn()
    assert.equal(seen, undefined)
    await node.clock.nextTurn()
    assert.equal(seen, 30)
  })

  it('is not replaced by a snapshot of an entry that is committed already', async () => {
    const node = await follower(20)
    await takes(node, append(entries(1, 30)))
    node.receives(2, {
      kind: 'snapshot_offer',
      start: { index: 25, term: 1, config: node.replica.status.config },
    })
    await node.clock.turn()
    const [want] = node.sent.flatMap(({ item }) => (item.kind === 'snapshot_want' ? [item] : []))
    assert.deepEqual(
      want,
      { kind: 'snapshot_want', index: 25, sequence: undefined },
      'nothing of it is wanted',
    )
  })

  it('is replaced, with the machine, by a snapshot that goes further', async () => {
    const source = await follower(1_000)
    await takes(source, append(entries(1, 40)))
    const start = { index: 40, term: 1, config: source.replica.status.config }
    const node = await follower(20)
    await takes(node, append(entries(1, 30)))
    node.receives(2, { kind: 'snapshot_offer', start })
    await node.clock.turn()
    node.diskStalled = true
    for (const data of await snapshotChunks(source.machine, start)) {
      node.receives(2, { kind: 'snapshot_chunk', index: 40, data })
      await node.clock.turn()
    }
    node.diskStalled = false
    assert.equal(node.replica.appliedIndex, 10, 'twenty entries wait')
    await node.sync()
    await node.clock.pass(100)
    assert.equal(node.restored, 1)
    assert.equal(node.replica.appliedIndex, 40)
    assert.equal(node.machine.digest, source.machine.digest)
    await takes(node, append(entries(41, 42)))
    await node.clock.pass(100)
    assert.equal(node.machine.sessions.size, 42)
    assert.deepEqual(node.fatal, [])
  })
})

describe('a leader with a backlog', () => {
  it('serves, and gives the log the time, only when its machine has caught up', async () => {
    const node = await HandDrivenNode.leading()
    for (let key = 1; key <= 30; key++) {
      node.submit(open(key))
      await node.clock.pass(10)
    }
    const before = node.disk.entries.length
    node.onApplied = () => node.clock.stall(3)
    await node.restart()
    const verdicts = node.submit(open(99))
    await node.clock.pass(20)
    assert.equal(node.replica.status.role, 'leader')
    assert.equal(node.replica.status.commitIndex, before + 1, 'its no-op is committed')
    assert.ok(node.replica.appliedIndex < before, 'and its machine is on its way there')
    assert.equal(node.replica.status.serving, false)
    assert.equal(node.statuses.at(-1)!.serving, false)
    assert.equal(node.replica.isUpToTerm, false)
    assert.equal(node.disk.entries.length, before + 1)
    await node.clock.pass(100)
    assert.ok(node.replica.status.serving && node.statuses.at(-1)!.serving)
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['opened'],
    )
    const times = node.logged.map(({ at }) => at)
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
      'the clock of the log never goes back',
    )
    assert.deepEqual(node.fatal, [])
  })
})

describe('a leader whose machine is behind', () => {
  /** Session 1 is renewed, and then 30 entries come that take 40 ms each, in one write. */
  async function behind(): Promise<HandDrivenNode> {
    const node = await HandDrivenNode.leading({ applyBudget: { ms: 10, commands: 1 } })
    node.submit(open(7, 1_000))
    await node.clock.pass(10)
    node.diskStalled = true
    node.submit(keepAlive(1, 7))
    await node.clock.turn()
    const commands = encodeCommands([])
    for (let k = 0; k < 60; k++) node.replica.propose({ origin: 2, first: 512 * k, count: 512, commands })
    await node.clock.turn()
    await node.sync()
    node.diskStalled = false
    node.onApplied = () => node.clock.stall(40)
    await node.sync()
    assert.ok(node.replica.status.commitIndex - node.replica.appliedIndex > 20)
    return node
  }

  it('puts what comes meanwhile into the log before anything expires (P7)', async () => {
    const node = await behind()
    const verdicts = node.submit(keepAlive(1, 7))
    while (node.replica.appliedIndex < node.replica.status.commitIndex) await node.clock.nextTurn()
    node.onApplied = () => undefined
    await node.clock.pass(20)
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['renewed'],
    )
    assert.deepEqual(node.fatal, [])
  })
})

describe('reads', () => {
  it('are answered over many turns when one event confirms a thousand of them', async () => {
    const node = await HandDrivenNode.leading()
    let answers = 0
    for (let k = 0; k < 1_000; k++) node.replica.confirmRead(() => answers++)
    await node.clock.turn()
    assert.ok(answers > 0 && answers < 500, `${answers} in one turn`)
    await node.clock.pass(10)
    assert.equal(answers, 1_000)
  })

  it('are refused over many turns when the leader that a thousand of them wait for is gone', async () => {
    const node = await HandDrivenNode.start({ voters: [1, 2, 3] })
    await takes(node, heartbeat(1))
    let answers = 0
    for (let k = 0; k < 1_000; k++) node.replica.confirmRead(() => answers++)
    await node.clock.turn()
    assert.equal(answers, 0)
    node.replica.disconnected(2)
    await node.clock.turn()
    assert.ok(answers > 0 && answers < 500, `${answers} in one turn`)
    await node.clock.pass(10)
    assert.equal(answers, 1_000)
  })
})
