import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import { encodeCommands } from '../../src/replica/payload.js'
import { HandDrivenNode, heartbeat, keepAlive, open } from '../replica/hand-driven.js'

const OF_THREE = { voters: [1, 2, 3] }

/** Node 1 follows node 2. */
async function following(): Promise<HandDrivenNode> {
  const node = await HandDrivenNode.start(OF_THREE)
  await leads(node, 2, 1)
  node.sent.length = 0
  return node
}

async function leads(node: HandDrivenNode, leader: number, term: number): Promise<void> {
  node.hears(leader, heartbeat(term))
  await node.clock.turn()
}

/** As `pass`, with a leader that stays alive. */
async function passUnder(node: HandDrivenNode, leader: number, term: number, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    node.hears(leader, heartbeat(term))
    await node.clock.pass(50)
  }
}

/** A claim on as many names, and so of about as many bytes, as one command may have. */
function bulky(session: number, key: number, slot: number): Command {
  const names = Array.from({ length: 64 }, (_, k) => `${slot}/${k}/`.padEnd(500, 'x'))
  return {
    op: 'acquire',
    session,
    key,
    slot,
    seq: 1,
    names,
    mode: { kind: 'exclusive' },
    waitMs: 0,
    label: '',
  }
}

describe('proposals: from a request to its verdict', () => {
  it('puts the commands of one turn into one chunk, and gives each asker its own verdict', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7))
    await node.clock.turn()
    const verdicts = node.submit(keepAlive(1, 7), keepAlive(1, 8), keepAlive(2, 7))
    await node.clock.turn()
    assert.deepEqual(
      verdicts.map((verdict) => (verdict.kind === 'refused' ? verdict.code : verdict.kind)),
      ['renewed', 'SESSION_FOREIGN', 'SESSION_UNKNOWN'],
    )
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[1], [2]],
    )
  })

  it('numbers on from chunk to chunk', async () => {
    const node = await following()
    node.submit(open(7), open(8))
    await node.clock.turn()
    node.submit(open(9))
    await node.clock.turn()
    assert.deepEqual(node.takeForwarded(), [
      { to: 2, first: 1, count: 2 },
      { to: 2, first: 3, count: 1 },
    ])
  })

  it('keeps what is asked while there is no leader, and sends it to the first one, oldest first', async () => {
    const node = await HandDrivenNode.start(OF_THREE)
    node.submit(open(7))
    await node.clock.turn()
    node.submit(open(8))
    await node.clock.turn()
    assert.deepEqual(node.takeForwarded(), [])
    await leads(node, 3, 1)
    assert.deepEqual(
      node.takeForwarded().map(({ to, first }) => `${first} to ${to}`),
      ['1 to 3', '2 to 3'],
    )
  })

  it('sends what has no verdict to the next leader', async () => {
    const node = await following()
    node.submit(open(7))
    await node.clock.turn()
    await leads(node, 3, 2)
    assert.deepEqual(
      node.takeForwarded().map(({ to, first }) => `${first} to ${to}`),
      ['1 to 2', '1 to 3'],
    )
  })

  it('never sends elsewhere, or again, what is only for the log of this leader', async () => {
    const node = await following()
    node.proposals.proposeOnce([{ op: 'raise', level: 1 }])
    await node.clock.turn()
    await leads(node, 3, 2)
    await passUnder(node, 3, 2, 3_000)
    assert.deepEqual(node.takeForwarded(), [])
    const leader = await HandDrivenNode.leading()
    leader.proposals.proposeOnce([{ op: 'raise', level: 1 }])
    await leader.clock.turn()
    assert.equal(leader.logged.length, 1)
    await leads(leader, 2, 9)
    assert.deepEqual(leader.takeForwarded(), [])
  })

  it('sends it again when the stream to the leader is back, and not when that to another peer is', async () => {
    const node = await following()
    node.submit(open(7))
    await node.clock.turn()
    node.takeForwarded()
    node.proposals.onConnected(3)
    assert.deepEqual(node.takeForwarded(), [])
    node.proposals.onConnected(2)
    assert.deepEqual(node.takeForwarded(), [{ to: 2, first: 1, count: 1 }])
  })

  it('puts a chunk into the log of a new leader once, though it hears of it as leader and as ready', async () => {
    const node = await HandDrivenNode.start()
    const verdicts = node.submit(open(7))
    await node.clock.pass(100)
    assert.equal(verdicts.length, 1)
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[1]],
    )
  })

  it('repeats what got lost on the way, but ever more rarely: a slow log is not helped by copies', async () => {
    const node = await following()
    node.submit(open(7))
    await passUnder(node, 2, 1, 2_000)
    assert(node.takeForwarded().length >= 2, 'repeated within two seconds')
    await passUnder(node, 2, 1, 58_000)
    const copies = node.takeForwarded().length
    assert(copies >= 2 && copies <= 8, `${copies} copies within the next 58 s`)
  })

  it('does not repeat what nobody waits for any more', async () => {
    const node = await following()
    const leaver = { gone: false, settle: () => assert.fail('nobody is there') }
    node.proposals.submit(open(7), leaver)
    await node.clock.turn()
    node.takeForwarded()
    leaver.gone = true
    await passUnder(node, 2, 1, 5_000)
    assert.deepEqual(node.takeForwarded(), [])
  })

  it('settles a chunk that is twice in the log once, by the first copy', async () => {
    const node = await HandDrivenNode.leading()
    const chunk = { origin: 1, first: 1, count: 1, commands: encodeCommands([open(7)]) }
    const verdicts = node.submit(open(7))
    node.proposals.forwarded(chunk)
    node.proposals.forwarded(chunk)
    await node.clock.turn()
    assert.deepEqual(verdicts, [{ kind: 'opened', session: 1, ttlMs: 10_000 }])
    assert.deepEqual(
      node.logged.map(({ firsts }) => firsts),
      [[1, 1, 1]],
    )
  })

  it("does not take another node's chunk, or an earlier process's, for its own", async () => {
    const node = await HandDrivenNode.leading({ firstNumber: 1_000 })
    const commands = encodeCommands([keepAlive(99, 99)])
    node.proposals.forwarded({ origin: 2, first: 1_000, count: 1, commands })
    node.proposals.forwarded({ origin: 1, first: 1, count: 1, commands })
    const verdicts = node.submit(open(7))
    await node.clock.turn()
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['opened'],
    )
  })

  it('cuts what one turn brings into chunks that fit an entry: one too large for a peer would stop the log', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(7))
    await node.clock.turn()
    const claims = Array.from({ length: 200 }, (_, slot) => bulky(1, 7, slot))
    const answers = claims.map((claim) => node.submit(claim))
    await node.clock.turn()
    const largest = Math.max(...node.disk.entries.map(({ payload }) => payload.length))
    assert(largest < 2 * 1024 * 1024, `an entry of ${largest} bytes`)
    assert.deepEqual(
      answers.map(([verdict, ...more]) => more.length === 0 && verdict?.kind === 'granted' && verdict.token),
      claims.map((_, k) => k + 1),
      'each asker gets its own verdict, in the order asked',
    )
  })

  it('takes nothing and leaves no timer behind when it has stopped', async () => {
    const node = await following()
    node.submit(open(7))
    node.proposals.stop()
    node.replica.stop()
    node.reserves.stop()
    assert.equal(node.proposals.submit(open(8), { gone: false, settle: () => undefined }), false)
    await node.clock.pass(20)
    assert.equal(node.clock.timers, 0)
  })
})
