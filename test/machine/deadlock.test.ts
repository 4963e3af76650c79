import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire, Terms } from '../../src/machine/language/command.js'
import {
  acquire,
  type CheckedMachine,
  newestMachineWith,
  outcome,
  release,
  SHARED,
  terms,
} from './commands.js'

/** Of session n, in a slot of its own each. */
function ask(
  machine: CheckedMachine,
  session: number,
  slot: number,
  names: readonly string[],
  rest: Partial<Terms> = {},
  more: Partial<Acquire> = {},
): string {
  return outcome(machine.do(acquire(session, { slot, names, terms: terms(rest), ...more })))
}

describe('a claim that comes before others by its priority', () => {
  it('is refused when a task behind it has what it waits for, though it is of no task itself', () => {
    const machine = newestMachineWith(3)
    assert.equal(ask(machine, 1, 1, ['bread'], { owner: 'cook' }), 'granted')
    assert.equal(ask(machine, 2, 1, ['butter']), 'granted')
    assert.equal(ask(machine, 1, 2, ['butter'], { owner: 'cook' }), 'queued')
    assert.equal(ask(machine, 3, 1, ['bread', 'butter'], { priority: 1 }), 'DEADLOCK')
    assert.equal(ask(machine, 3, 2, ['bread', 'butter']), 'queued')
  })

  it('is refused when it is before what its own task waits for', () => {
    const machine = newestMachineWith(2)
    assert.equal(ask(machine, 2, 1, ['bread']), 'granted')
    assert.equal(ask(machine, 1, 1, ['bread'], { owner: 'cook' }), 'queued')
    assert.equal(ask(machine, 1, 2, ['bread'], { owner: 'cook', priority: 1 }), 'DEADLOCK')
  })

  it('is refused though it is free now, when those it comes before keep its task waiting', () => {
    const machine = newestMachineWith(3)
    assert.equal(ask(machine, 2, 1, ['butter']), 'granted')
    assert.equal(ask(machine, 3, 1, ['bread', 'butter']), 'queued')
    assert.equal(ask(machine, 1, 1, ['butter'], { owner: 'cook' }), 'queued')
    assert.equal(ask(machine, 1, 2, ['bread'], { owner: 'cook', priority: 1 }), 'DEADLOCK')
    assert.equal(ask(machine, 1, 3, ['bread'], { priority: 1 }), 'granted')
  })

  it('is granted when nobody waits for it in a circle', () => {
    const machine = newestMachineWith(3)
    assert.equal(ask(machine, 1, 1, ['bread'], { owner: 'cook' }), 'granted')
    assert.equal(ask(machine, 2, 1, ['bread']), 'queued')
    assert.equal(ask(machine, 3, 1, ['bread'], { priority: 1 }), 'queued')
    assert.equal(outcome(machine.do(release(1, 1, { slot: 9 }))), 'released')
  })
})

describe('a claim for permits', () => {
  it('is granted when it fits before those who wait for more, also beside its own task', () => {
    const machine = newestMachineWith(2)
    const permits = (count: number): Partial<Acquire> => ({
      mode: { kind: 'permits', permits: count, of: 3 },
    })
    assert.equal(ask(machine, 1, 1, ['oven'], { owner: 'cook' }, permits(1)), 'granted')
    assert.equal(ask(machine, 2, 1, ['oven'], {}, permits(3)), 'queued')
    assert.equal(ask(machine, 1, 2, ['oven'], { owner: 'cook', priority: 1 }, permits(1)), 'granted')
  })
})

describe('a task that waits for two things at once', () => {
  it('is waited for in both by whoever stands behind it in one', () => {
    const machine = newestMachineWith(3)
    assert.equal(ask(machine, 3, 1, ['bread']), 'granted')
    assert.equal(ask(machine, 2, 1, ['butter'], { owner: 'baker' }), 'granted')
    assert.equal(ask(machine, 1, 1, ['bread'], { owner: 'cook' }), 'queued')
    assert.equal(ask(machine, 1, 2, ['butter'], { owner: 'cook' }), 'queued')
    assert.equal(ask(machine, 2, 2, ['bread'], { owner: 'baker' }), 'DEADLOCK')
    assert.equal(ask(machine, 2, 3, ['bread'], { owner: 'baker' }, { mode: SHARED }), 'DEADLOCK')
  })
})
