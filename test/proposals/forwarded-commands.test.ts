import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import { FEATURE_LEVEL, FORWARDING_SINCE } from '../../src/machine/roster/feature-level.js'
import { commandsOf, encodeCommands } from '../../src/replica/payload.js'
import { acquire, cancel, close, keepAlive, open, release } from '../machine/commands.js'
import { HandDrivenNode, heartbeat } from '../replica/hand-driven.js'

const PEER = 2
const request = { session: 1, key: 101, slot: 0, seq: 1 }
const onName = { ...request, name: 'door', note: '' }

/** What a node may forward for its clients, and of itself. */
const ALLOWED: readonly Command[] = [
  open(101),
  keepAlive(1),
  close(1),
  acquire(1),
  release(1, 1),
  cancel(1),
  { op: 'update', ...request, token: 1, data: '' },
  { op: 'downgrade', ...request, token: 1 },
  { op: 'forceRelease', ...onName, token: 0 },
  { op: 'requestRelease', ...onName, token: 0 },
  { op: 'suspend', ...onName, forMs: undefined },
  { op: 'resume', ...onName },
  { op: 'identify', node: PEER, disk: 77 },
  { op: 'unknown' },
]

/** What would remove members, lock out versions, or make a node a stranger. */
const FORBIDDEN: readonly Command[] = [
  { op: 'describe', node: 9, peer: 'evil:1', client: 'evil:2' },
  { op: 'forget', node: 1 },
  { op: 'raise', level: FEATURE_LEVEL },
  { op: 'begin', incarnation: 5, wallMs: 5 },
  { op: 'identify', node: 1, disk: 66 },
  { op: 'identify', node: 3, disk: 66 },
]

function chunkOf(first: number, ...commands: Command[]) {
  return { origin: PEER, first, count: commands.length, commands: encodeCommands(commands) }
}

/** Node 1, a leader on this feature level. */
async function leading(level: number): Promise<HandDrivenNode> {
  const node = await HandDrivenNode.leading()
  node.proposals.proposeOnce([{ op: 'raise', level }])
  await node.clock.turn()
  assert.equal(node.machine.level, level)
  return node
}

describe('what a peer forwards', () => {
  for (const command of ALLOWED) {
    it(`may be ${command.op}`, () => {
      const [{ op }] = commandsOf([chunkOf(1, command)], FEATURE_LEVEL) as [Command]
      assert.equal(op, command.op)
    })
  }

  for (const command of FORBIDDEN) {
    const of = 'node' in command ? ` of node ${command.node}` : ''
    it(`must not be ${command.op}${of}: nothing comes of it, and people are told who sent it`, async () => {
      const node = await leading(FEATURE_LEVEL)
      const figures = () => [
        [...node.machine.members.values()],
        [...node.machine.disks.all],
        node.machine.level,
        node.machine.incarnation.number,
      ]
      const before = figures()
      node.receives(PEER, { kind: 'forward', chunk: chunkOf(1, open(7), command, command, open(8)) })
      await node.clock.turn()
      assert.deepEqual(figures(), before)
      assert.deepEqual(node.forbidden, [{ origin: PEER, op: command.op }])
      assert.equal(node.machine.sessions.size, 2, 'the commands before and after it count')
    })

    it(`is what it was on the levels before: ${command.op}${of}, as older versions see it`, () => {
      assert.deepEqual(commandsOf([chunkOf(1, command)], FORWARDING_SINCE - 1), [command])
    })
  }
})

describe('what a leader says itself', () => {
  it('counts', async () => {
    const node = await leading(FEATURE_LEVEL)
    const verdicts: string[] = []
    const waiter = { gone: false, settle: ({ kind }: { kind: string }) => void verdicts.push(kind) }
    node.proposals.proposeAsLeader({ op: 'describe', node: 9, peer: 'a:1', client: 'a:2' }, waiter)
    node.proposals.proposeAsLeader({ op: 'forget', node: 9 }, waiter)
    await node.clock.turn()
    assert.deepEqual(verdicts, ['described', 'forgotten'])
    assert.deepEqual(node.forbidden, [])
  })

  it('is said once, however long its machine takes: a copy would come behind what it has said since', async () => {
    const node = await HandDrivenNode.leading({ applyBudget: { ms: 10, commands: 1 } })
    const waiter = { gone: false, settle: () => undefined }
    node.onApplied = () => node.clock.stall(45)
    const commands = encodeCommands([])
    for (let k = 0; k < 60; k++)
      node.replica.propose({ origin: 2, first: 1 + 1_024 * k, count: 1_024, commands })
    await node.clock.pass(20)
    node.proposals.proposeAsLeader({ op: 'forget', node: 9 }, waiter)
    await node.clock.pass(5_000)
    const own = node.chunks.filter(({ first }) => first < 0)
    assert.equal(own.length, 1)
  })

  it('is forgotten with its leadership, and never forwarded to the next leader', async () => {
    const node = await HandDrivenNode.leading()
    node.diskStalled = true
    const waiter = { gone: false, settle: () => assert.fail('it does not lead') }
    node.proposals.proposeAsLeader({ op: 'forget', node: 9 }, waiter)
    node.hears(2, heartbeat(9))
    await node.clock.pass(3_000)
    assert.deepEqual(node.takeForwarded(), [])
  })
})
