import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import { HandDrivenNode, open } from './hand-driven.js'

function told(node: number): Command {
  return { op: 'describe', node, peer: `10.0.0.${node}:7200`, client: `10.0.0.${node}:7100` }
}

function checkpointIndexes({ checkpoints }: HandDrivenNode): number[] {
  return checkpoints.map(({ index }) => index)
}

describe('a checkpoint before its time', () => {
  it('has where the members are soon after that was applied, and is one for all that comes together', async () => {
    const node = await HandDrivenNode.leading()
    for (const id of [1, 2, 3]) {
      node.submit(told(id))
      await node.clock.pass(100)
    }
    assert.deepEqual(checkpointIndexes(node), [])
    await node.clock.pass(1_000)
    assert.deepEqual(checkpointIndexes(node), [node.replica.appliedIndex])
    await node.clock.pass(60_000)
    assert.equal(node.checkpoints.length, 1)
    await node.restart()
    assert.equal(
      [...node.machine.members.values()].length,
      3,
      'a node that restarts knows it before it applies anything',
    )
  })

  it('has who the members are soon after a change', async () => {
    const node = await HandDrivenNode.leading()
    node.replica.reconfigure({ voters: [1], learners: [2] }, () => undefined)
    await node.clock.pass(1_100)
    assert.deepEqual(node.disk.checkpoint?.start.config.learners, [2])
  })

  it('is not made for what clients do', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(1))
    await node.clock.pass(5_000)
    assert.deepEqual(checkpointIndexes(node), [])
  })
})

describe('the checkpoint before an orderly stop', () => {
  /** How long the node waits for it. */
  async function stopping(node: HandDrivenNode): Promise<number> {
    const beganMs = node.clock.nowMs()
    let tookMs: number | undefined
    void node.replica.checkpoint().then(() => {
      tookMs = node.clock.nowMs() - beganMs
    })
    await node.clock.pass(5_000)
    assert.ok(tookMs !== undefined)
    return tookMs
  }

  it('has all that is applied', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(1), open(2))
    await node.clock.turn()
    const index = node.replica.appliedIndex
    assert.ok((await stopping(node)) < 100)
    assert.deepEqual(checkpointIndexes(node), [index])
    await node.restart()
    assert.equal(node.replica.appliedIndex, index)
    assert.equal(node.machine.sessions.size, 2)
  })

  it('is not made again when nothing was applied since', async () => {
    const node = await HandDrivenNode.leading()
    await stopping(node)
    assert.equal(await stopping(node), 0)
    assert.equal(node.checkpoints.length, 1)
  })

  it('is given up when the disk takes long: the log has it all', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(1))
    await node.clock.turn()
    node.diskStalled = true
    assert.equal(await stopping(node), 1_000)
  })
})
