import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire } from '../../src/machine/language/command.js'
import {
  acquire,
  type CheckedMachine,
  cancel,
  granted,
  newestMachineWith,
  outcome,
  release,
  SHARED,
  terms,
} from './commands.js'

/** By the owner p, unless told; in a slot of its own. */
function again(session: number, slot: number, rest: Partial<Acquire> = {}, owner = 'p'): Acquire {
  return acquire(session, { slot, terms: terms({ owner, reentrant: true }), ...rest })
}

function holds(machine: CheckedMachine): number | undefined {
  return machine.name('door')?.holders[0]?.holds
}

describe('a reentrant claim', () => {
  it('is granted with the token that its owner has, also while others wait, and is released as many times', () => {
    const machine = newestMachineWith(2)
    assert.deepEqual(machine.do(again(1, 0)), granted(1, 1))
    machine.do(acquire(2))
    assert.deepEqual(machine.do(again(1, 1)), granted(1, 1))
    assert.deepEqual(machine.do(again(1, 1)), granted(1, 1), 'asked again: held no more often')
    assert.equal(holds(machine), 2)
    machine.do(release(1, 1, { slot: 5 }))
    assert.equal(holds(machine), 1)
    machine.do(release(1, 1, { slot: 5, seq: 2 }))
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })

  it('is of this session and this owner alone', () => {
    const machine = newestMachineWith(2)
    machine.do(again(1, 0))
    assert.equal(outcome(machine.do(again(2, 0))), 'queued')
    assert.equal(outcome(machine.do(again(1, 1, {}, 'q'))), 'queued')
    assert.equal(holds(machine), 1)
  })

  it('is of names that one claim has, and no more of them', () => {
    const machine = newestMachineWith(1)
    machine.do(again(1, 0, { names: ['a', 'door', 'c'] }))
    assert.deepEqual(machine.do(again(1, 1, { names: ['c', 'a'] })), granted(1, 1))
    assert.equal(outcome(machine.do(again(1, 2, { names: ['a', 'd'] }))), 'DEADLOCK')
    assert.equal(outcome(machine.do(again(1, 3, { names: ['d'] }))), 'granted')
  })

  it('shares what is held exclusively, and does not make a reader a writer', () => {
    const machine = newestMachineWith(1)
    machine.do(again(1, 0))
    assert.deepEqual(machine.do(again(1, 1, { mode: SHARED })), granted(1, 1))
    machine.do(again(1, 2, { names: ['hall'], mode: SHARED }))
    assert.deepEqual(machine.do(again(1, 3, { names: ['hall'], mode: SHARED })), granted(2, 2))
    assert.equal(outcome(machine.do(again(1, 4, { names: ['hall'] }))), 'DEADLOCK')
  })

  it('taken back is held once less, each acquire once', () => {
    const machine = newestMachineWith(1)
    machine.apply({ at: 1_000, commands: [again(1, 0), again(1, 1), again(1, 2)] })
    for (const left of [2, 2]) {
      machine.do(cancel(1, { slot: 1 }))
      assert.equal(holds(machine), left)
    }
    machine.do(cancel(1, { slot: 0 }))
    assert.equal(holds(machine), 1)
    machine.do(cancel(1, { slot: 2 }))
    assert.equal(machine.name('door'), undefined)
  })
})
