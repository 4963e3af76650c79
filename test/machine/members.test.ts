import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { CheckedMachine, outcome } from './commands.js'
import { membersOf } from './stories.js'

function told(node: number, peer = 'a:1', client = 'a:2'): Command {
  return { op: 'describe', node, peer, client }
}

function apply(machine: CheckedMachine, ...commands: Command[]): string[] {
  return machine.apply({ at: machine.at, commands }).verdicts.map(outcome)
}

describe('the addresses of the members', () => {
  it('are described, described anew, forgotten, and each may be repeated', () => {
    const machine = new CheckedMachine()
    assert.deepEqual(apply(machine, told(4), told(4), told(5)), ['described', 'described', 'described'])
    assert.deepEqual(apply(machine, told(5, 'b:1', 'b:2')), ['described'])
    assert.deepEqual(membersOf(machine), [
      { id: 4, peer: 'a:1', client: 'a:2' },
      { id: 5, peer: 'b:1', client: 'b:2' },
    ])
    const forget = { op: 'forget', node: 4 } as const
    assert.deepEqual(apply(machine, forget, forget), ['forgotten', 'forgotten'])
    assert.deepEqual(membersOf(machine), [{ id: 5, peer: 'b:1', client: 'b:2' }])
  })

  it('have a revision that tells whether there is news', () => {
    const machine = new CheckedMachine()
    const revisions = [told(4), told(4), told(4, 'b:1'), { op: 'forget', node: 9 } as const].map(
      (command) => {
        apply(machine, command)
        return machine.members.revision
      },
    )
    assert.deepEqual(revisions, [1, 1, 2, 2])
  })

  it('have room for so many and no more', () => {
    const machine = new CheckedMachine()
    for (let node = 1; node <= LIMITS.membersMax; node++) apply(machine, told(node))
    assert.deepEqual(apply(machine, told(LIMITS.membersMax + 1), told(1, 'b:1')), ['LIMIT', 'described'])
  })

  const senseless: [string, object, string][] = [
    ['node 0', { node: 0 }, 'INVALID'],
    ['a node beyond the last', { node: LIMITS.nodeIdMax + 1 }, 'INVALID'],
    ['an empty address', { peer: '' }, 'INVALID'],
    ['an address that is a number', { client: 7 }, 'INVALID'],
    ['an address with a line end', { client: 'a:1\n' }, 'INVALID'],
    ['an address too long', { peer: `${'x'.repeat(LIMITS.addressBytesMax)}:1` }, 'LIMIT'],
  ]
  for (const [what, change, code] of senseless) {
    it(`are not taken from a command with ${what}`, () => {
      const machine = new CheckedMachine()
      assert.deepEqual(apply(machine, { ...told(4), ...change } as Command), [code])
      assert.deepEqual(membersOf(machine), [])
    })
  }
})
