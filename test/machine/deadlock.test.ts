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

describe('a task that waits for what a holder of each seat keeps', () => {
  const seat: Partial<Acquire> = { mode: { kind: 'permits', permits: 1, of: 2 } }
  const COOK = [1, 'cook'] as const
  const BAKER = [2, 'baker'] as const

  /** The waiter has a tray and a knife and waits for a seat; the baker, who has one, waits for the tray. */
  function kitchen({
    level,
    seated = [BAKER, COOK],
  }: {
    level?: number
    seated?: readonly (readonly [number, string])[]
  } = {}) {
    const machine = newestMachineWith(5, level)
    for (const [session, owner] of seated)
      assert.equal(ask(machine, session, 1, ['oven'], { owner }, seat), 'granted')
    assert.equal(ask(machine, 3, 1, ['tray'], { owner: 'waiter' }), 'granted')
    assert.equal(ask(machine, 3, 2, ['knife'], { owner: 'waiter' }), 'granted')
    assert.equal(ask(machine, 3, 3, ['oven'], { owner: 'waiter' }, seat), 'queued')
    assert.equal(ask(machine, 2, 2, ['tray'], { owner: 'baker' }), 'queued')
    return machine
  }

  it('is refused, though one of them waits for it by way of the same seats', () => {
    for (const seated of [
      [BAKER, COOK],
      [COOK, BAKER],
    ]) {
      const machine = kitchen({ seated })
      assert.equal(ask(machine, 1, 2, ['knife'], { owner: 'cook' }), 'DEADLOCK')
      assert.equal(ask(machine, 1, 3, ['knife']), 'queued')
    }
  })

  it('is not refused when a seat comes free by somebody else, whatever was seen on the way', () => {
    const machine = kitchen({ seated: [BAKER, [4, '']] })
    assert.equal(ask(machine, 2, 3, ['grill'], { owner: 'baker' }, seat), 'granted')
    assert.equal(ask(machine, 1, 2, ['grill'], { owner: 'cook' }, seat), 'granted')
    assert.equal(ask(machine, 5, 1, ['salt'], { owner: 'maid' }), 'granted')
    assert.equal(ask(machine, 5, 2, ['grill'], { owner: 'maid' }, seat), 'queued')
    // The knife shows the baker in a circle that the guest will open; the salt is kept by the same baker.
    assert.equal(ask(machine, 1, 3, ['knife', 'salt'], { owner: 'cook' }), 'queued')
  })

  it('is not refused when one of them waits for somebody else', () => {
    const machine = kitchen()
    assert.equal(ask(machine, 4, 1, ['salt'], { owner: 'guest' }), 'granted')
    assert.equal(ask(machine, 1, 2, ['salt'], { owner: 'cook' }), 'queued')
  })

  it('is not refused below the feature level that finds it, on which other versions would let it wait', () => {
    assert.equal(ask(kitchen({ level: 2 }), 1, 2, ['knife'], { owner: 'cook' }), 'queued')
  })
})

describe('a claim for several seats', () => {
  const seats = (permits: number): Partial<Acquire> => ({ mode: { kind: 'permits', permits, of: 3 } })

  it('is refused when too few are left beside those of its own task, whoever else leaves', () => {
    const machine = newestMachineWith(2)
    assert.equal(ask(machine, 1, 1, ['oven'], { owner: 'cook' }, seats(2)), 'granted')
    assert.equal(ask(machine, 2, 1, ['oven'], {}, seats(1)), 'granted')
    assert.equal(ask(machine, 1, 2, ['oven'], { owner: 'cook' }, seats(2)), 'DEADLOCK')
    assert.equal(ask(machine, 1, 3, ['oven'], { owner: 'cook' }, seats(1)), 'queued')
  })

  it('is refused behind one of its own task that will get too many', () => {
    const machine = newestMachineWith(2)
    assert.equal(ask(machine, 2, 1, ['oven'], {}, seats(3)), 'granted')
    assert.equal(ask(machine, 1, 1, ['oven'], { owner: 'cook' }, seats(2)), 'queued')
    assert.equal(ask(machine, 1, 2, ['oven'], { owner: 'cook' }, seats(2)), 'DEADLOCK')
    assert.equal(ask(machine, 1, 3, ['oven'], { owner: 'cook' }, seats(1)), 'queued')
  })

  it('is refused behind one who never gets in, because it waits for this task elsewhere', () => {
    const machine = newestMachineWith(3)
    assert.equal(ask(machine, 1, 1, ['tray'], { owner: 'cook' }), 'granted')
    assert.equal(ask(machine, 3, 1, ['oven'], { owner: 'baker' }, seats(3)), 'granted')
    assert.equal(ask(machine, 2, 1, ['oven'], {}, seats(1)), 'queued')
    assert.equal(ask(machine, 3, 2, ['tray'], { owner: 'baker' }), 'queued')
    assert.equal(ask(machine, 1, 2, ['oven'], { owner: 'cook' }, seats(1)), 'DEADLOCK')
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
