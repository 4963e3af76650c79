import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command, Verdict } from '../../src/machine/language/command.js'
import { decodeCommands } from '../../src/replica/payload.js'
import { acquire } from '../machine/commands.js'
import { HandDrivenNode, keepAlive, open } from '../replica/hand-driven.js'

/** 16 small commands on their way at a time, as many renewals, and room for some hundred. */
const LIMITS = { windowBytes: 16 * 520, heldBytesMax: 400 * 520 }
const FLOOD = 150

/** Of the sessions 1 to 3, whose keys are 101 to 103, the leader has a stalled disk from now on. */
async function stalled(): Promise<HandDrivenNode> {
  const node = await HandDrivenNode.leading({ limits: LIMITS })
  node.submit(open(101), open(102), open(103))
  await node.clock.turn()
  node.diskStalled = true
  return node
}

async function flooded(): Promise<HandDrivenNode> {
  const node = await stalled()
  node.submit(...claims(1, FLOOD))
  await node.clock.turn()
  return node
}

function claims(session: number, count: number): Command[] {
  return Array.from({ length: count }, (_, slot) =>
    acquire(session, { key: 100 + session, slot, names: [`${session}/${slot}`] }),
  )
}

/** What the log has had so far, in its order. */
function logged(node: HandDrivenNode): Command[] {
  const commands: Command[] = []
  for (const { commands: bytes, count } of node.chunks) decodeCommands(bytes, count, commands)
  return commands
}

/** One window after the other. */
async function drain(node: HandDrivenNode): Promise<void> {
  for (let k = 0; k < 100; k++) await node.sync()
}

function accepts(node: HandDrivenNode, command: Command): boolean {
  return node.proposals.submit(command, { gone: false, settle: () => undefined })
}

describe('proposals: the capacity of the log, shared among sessions', () => {
  it('lets no more than a window be on its way, and the next as soon as that is applied', async () => {
    const node = await flooded()
    const before = logged(node).length
    assert(before <= 3 + 17, `${before} commands in the log while the disk is stalled`)
    await drain(node)
    assert.equal(logged(node).length, 3 + FLOOD)
    assert.equal(node.machine.claims.queues.size, FLOOD)
  })

  it('lets a session with one request pass the flood of another', async () => {
    const node = await flooded()
    node.submit(acquire(2, { key: 102, names: ['other'] }))
    await drain(node)
    const position = logged(node).findIndex((command) => 'session' in command && command.session === 2)
    assert(position < 3 + 3 * 17, `in place ${position}`)
  })

  it('lets renewals pass everything, even when the window is full', async () => {
    const node = await flooded()
    const verdicts = node.submit(keepAlive(1, 101), keepAlive(2, 102))
    await node.clock.turn()
    await node.sync()
    await node.sync()
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ['renewed', 'renewed'],
    )
    assert(logged(node).length < 3 + 2 + 4 * 17, 'long before the flood is over')
  })

  it('keeps the order of the requests of a session (P3)', async () => {
    const node = await flooded()
    node.submit(...claims(2, 60), ...claims(3, 60))
    await drain(node)
    for (const session of [1, 2, 3]) {
      const slots = logged(node).flatMap((command) =>
        command.op === 'acquire' && command.session === session ? [command.slot] : [],
      )
      assert(slots.length >= 60)
      assert.deepEqual(
        slots,
        slots.map((_, slot) => slot),
      )
    }
  })

  it('refuses the session that holds much, and not the one that holds nothing', async () => {
    const node = await stalled()
    let taken = 0
    for (const claim of claims(1, 1_000)) {
      if (!accepts(node, claim)) break
      taken++
    }
    assert(taken > 150 && taken < 250, `${taken} taken of one session`)
    assert(accepts(node, acquire(2, { key: 102, names: ['other'] })))
    assert(accepts(node, keepAlive(1, 101)), 'and renewals find their own room')
    node.diskStalled = false
    await drain(node)
    assert(accepts(node, acquire(1, { key: 101, slot: 2_000, names: ['more'] })), 'all room is free again')
  })

  it('lets all who guess at sessions, and all who open some, share one lane', async () => {
    const node = await stalled()
    for (let k = 0; k < 60; k++)
      node.submit(open(1_000 + k), acquire(5_000 + k, { key: 5, names: ['guess'] }))
    for (let k = 0; k < 60; k++) node.submit(acquire(1, { key: 999, slot: 1, names: ['guess'] }))
    node.submit(...claims(2, 4))
    await drain(node)
    const position = logged(node).findIndex((command) => 'session' in command && command.session === 2)
    assert(position < 3 + 17, `in place ${position}`)
  })

  it('does not trouble the log with new work for which nobody waits any more, only with what ends something', async () => {
    const node = await flooded()
    const leaver = { gone: false, settle: () => assert.fail('nobody is there') }
    node.proposals.submit(acquire(2, { key: 102, slot: 1, names: ['left'] }), leaver)
    node.proposals.submit({ op: 'cancel', session: 2, key: 102, slot: 1, seq: 1 }, leaver)
    Object.assign(leaver, { gone: true, settle: () => undefined })
    await drain(node)
    const own = logged(node).filter((command) => 'session' in command && command.session === 2)
    assert.deepEqual(
      own.map(({ op }) => op),
      ['cancel'],
    )
  })

  it('takes no more than it may hold while there is no leader, and settles all of it under the first', async () => {
    const node = await HandDrivenNode.start({ limits: LIMITS })
    node.diskStalled = true
    const verdicts: Verdict[] = []
    const waiter = { gone: false, settle: (verdict: Verdict) => void verdicts.push(verdict) }
    let taken = 0
    while (taken < 10_000 && node.proposals.submit(open(1_000 + taken), waiter)) {
      taken++
      await node.clock.turn()
    }
    assert(taken > 100 && taken < 400, `${taken} taken`)
    node.diskStalled = false
    await node.sync()
    await node.clock.pass(2_000)
    assert.equal(verdicts.length, taken)
  })
})
