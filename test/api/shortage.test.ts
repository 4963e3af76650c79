import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Asked, type Final } from '../../src/api/asked.js'
import { submit } from '../../src/api/submit.js'
import type { Command } from '../../src/machine/language/command.js'
import { HandDrivenNode, open, RESERVE_BYTES } from '../replica/hand-driven.js'

const NOTICED_MS = 1_500

function acquire(key: number, slot: number): Command {
  const mode = { kind: 'exclusive' } as const
  return {
    op: 'acquire',
    session: key,
    key,
    slot,
    seq: 1,
    names: ['a'],
    mode,
    waitMs: undefined,
    label: '',
  }
}

/** A door that is asked, and what it answered so far. */
function ask(node: HandDrivenNode, command: Command): (string | undefined)[] {
  const answers: (string | undefined)[] = []
  const asked = new Asked(node.attachments, {
    isGone: false,
    onQueued: () => undefined,
    onFinal: (_: Asked, final: Final) => void answers.push(final.kind),
  })
  const refusal = submit(node, command, asked)
  if (refusal !== undefined) answers.push(refusal.code)
  return answers
}

describe('with no room on the disks (fault 29)', () => {
  it('copies of what the log has are taken: who waits, and moves here, hears of its grant', async () => {
    const node = await HandDrivenNode.leading()
    node.submit(open(1), open(2), acquire(1, 0), acquire(2, 0))
    await node.clock.pass(100)
    node.freeBytes = RESERVE_BYTES - 1
    await node.clock.pass(NOTICED_MS)
    assert.deepEqual(ask(node, open(3)), ['BUSY'])
    assert.deepEqual(ask(node, acquire(2, 1)), ['BUSY'])
    assert.deepEqual(ask(node, { ...acquire(2, 0), seq: 2 } as Command), ['BUSY'])

    const opened = ask(node, open(2))
    const holder = ask(node, acquire(1, 0))
    const waiter = ask(node, acquire(2, 0))
    await node.clock.pass(100)
    assert.deepEqual([opened, holder, waiter], [['opened'], ['granted'], []])
    const released = ask(node, { op: 'release', session: 1, key: 1, slot: 1, seq: 1, token: 1 })
    await node.clock.pass(100)
    assert.deepEqual([released, waiter], [['released'], ['granted']])
  })
})
