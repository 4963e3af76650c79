import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HandDrivenNode, heartbeat } from './hand-driven.js'

describe('a peer that breaks the protocol (fault 60)', () => {
  it('has its stream ended, and the node goes on', async () => {
    const node = await HandDrivenNode.start({ voters: [1, 2, 3] })
    await node.clock.pass(700)
    await node.agree()
    const { term, role } = node.replica.status
    assert.equal(role, 'leader')
    node.hears(3, heartbeat(term))
    await node.clock.turn()
    assert.deepEqual(node.closed, [{ peer: 3, reason: `it leads in term ${term}, and so does node 1` }])
    assert.deepEqual([node.replica.status.role, node.fatal], ['leader', []])
  })
})
