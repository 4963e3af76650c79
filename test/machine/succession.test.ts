import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Succession } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import {
  acquire,
  type CheckedMachine,
  cancel,
  close,
  newestMachineWith,
  outcome,
  release,
  SHARED,
  terms,
} from './commands.js'

function leaving(succession: Partial<Succession>): Succession {
  return { heir: 0, restMs: 0, result: undefined, ...succession }
}

function holder(machine: CheckedMachine, name = 'door'): number | undefined {
  return machine.name(name)?.holders[0]?.claim
}

/** Session 1 holds the door, the others wait in their order. */
function queueOf(count: number, first = terms({})): CheckedMachine {
  const machine = newestMachineWith(count)
  const commands = Array.from({ length: count }, (_, i) => acquire(i + 1, i === 0 ? { terms: first } : {}))
  machine.apply({ at: 1_000, commands })
  return machine
}

describe('an heir', () => {
  it('is granted before all others, also before one with a priority and before an earlier heir', () => {
    const machine = queueOf(4)
    machine.do(acquire(2, { slot: 5, terms: terms({ priority: 255 }) }))
    machine.do(release(1, 1, { succession: leaving({ heir: 3, restMs: 500 }) }))
    machine.do(acquire(1, { slot: 6, terms: terms({ steal: true }) }))
    machine.do(release(1, 2, { seq: 2, succession: leaving({ heir: 4 }) }))
    assert.equal(holder(machine), 4)
    machine.do(release(4, 3))
    assert.equal(holder(machine), 3)
  })

  it('who leaves while the name rests is followed by the first in line, when it is over', () => {
    const machine = queueOf(3)
    machine.do(release(1, 1, { succession: leaving({ heir: 3, restMs: 500 }) }))
    machine.do(close(3))
    assert.equal(holder(machine), undefined)
    machine.pass(1_500)
    assert.equal(holder(machine), 2)
  })

  it('is one who waits for names of this claim only, which is exclusive', () => {
    const machine = queueOf(2)
    machine.do(acquire(2, { slot: 1, names: ['door', 'gate'] }))
    const shared = { slot: 3, names: ['hall'], mode: SHARED }
    machine.apply({ at: 1_000, commands: [acquire(1, shared), acquire(2, { slot: 3, names: ['hall'] })] })
    machine.apply({ at: 1_000, commands: [acquire(2, { slot: 4, names: ['roof'] })] })
    const heirs = [1, 3, 4, 99]
    heirs.forEach((heir, k) => {
      const verdict = machine.do(release(1, 1, { seq: k + 1, succession: leaving({ heir }) }))
      assert.equal(outcome(verdict), 'INVALID', String(heir))
    })
    assert.equal(outcome(machine.do(release(1, 2, { seq: 9, succession: leaving({ heir: 5 }) }))), 'INVALID')
    assert.equal(holder(machine), 1)
  })
})

describe('a rest', () => {
  it('keeps all out of all names of the claim, to the millisecond, and then the first in line is granted', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [acquire(1, { names: ['a', 'b'] }), acquire(2, { names: ['b'] })] })
    machine.do(release(1, 1, { succession: leaving({ restMs: 300 }) }))
    assert.equal(outcome(machine.do(acquire(2, { slot: 1, names: ['a'], waitMs: 0 }))), 'TIMEOUT')
    machine.pass(1_299)
    assert.equal(machine.name('b')?.holderCount, 0)
    machine.pass(1_300)
    assert.equal(machine.name('b')?.holders[0]?.session, 2)
    assert.equal(machine.name('a'), undefined)
  })

  it('is not shortened by one that would end sooner, and lengthened by one that ends later', () => {
    const machine = newestMachineWith(1)
    machine.apply({
      at: 1_000,
      commands: [acquire(1, { mode: SHARED }), acquire(1, { slot: 2, mode: SHARED })],
    })
    machine.do(release(1, 1, { succession: leaving({ restMs: 300 }) }))
    machine.do(release(1, 2, { seq: 2, succession: leaving({ restMs: 200 }) }))
    assert.equal(machine.name('door')?.restUntil, 1_300)
    const longer = newestMachineWith(1)
    longer.apply({
      at: 1_000,
      commands: [acquire(1, { mode: SHARED }), acquire(1, { slot: 2, mode: SHARED })],
    })
    longer.do(release(1, 1, { succession: leaving({ restMs: 300 }) }))
    longer.do(release(1, 2, { seq: 2, succession: leaving({ restMs: 400 }) }))
    assert.equal(longer.name('door')?.restUntil, 1_400)
    assert.equal(longer.remains.size, 1)
  })

  it('is not left by one who leaves a group', () => {
    const machine = newestMachineWith(1)
    machine.do(acquire(1, { mode: { kind: 'member' } }))
    assert.equal(outcome(machine.do(release(1, 1, { succession: leaving({ restMs: 5 }) }))), 'INVALID')
  })

  it('follows the loss of a holder with a lock-delay, by its own end or by force, and no orderly leaving', () => {
    const delayed = terms({ lockDelayMs: 700 })
    const force = { op: 'forceRelease', name: 'door', note: '', token: 0, slot: 7, seq: 1 } as const
    const lost = queueOf(2, delayed)
    lost.apply({ at: 2_000, commands: [{ op: 'keepAlive', session: 2, key: 102 }] })
    lost.pass(11_000)
    assert.equal(lost.name('door')?.restUntil, 11_700)
    const forced = queueOf(2, delayed)
    forced.do({ ...force, session: 2, key: 102 })
    assert.equal(forced.name('door')?.restUntil, 1_700)
    for (const command of [release(1, 1), close(1), cancel(1)]) {
      const machine = queueOf(2, delayed)
      machine.do(command)
      assert.equal(holder(machine), 2, command.op)
    }
  })

  it('completes a minimum hold however the holder leaves, unless its acquire is taken back', () => {
    const cron = terms({ minHoldMs: 5_000 })
    for (const command of [release(1, 1), close(1)]) {
      const machine = queueOf(2, cron)
      machine.do(command, 2_000)
      assert.equal(machine.name('door')?.restUntil, 6_000, command.op)
      machine.pass(6_000)
      assert.equal(holder(machine), 2)
    }
    const cancelled = queueOf(2, cron)
    cancelled.do(cancel(1), 2_000)
    assert.equal(holder(cancelled), 2)
    const held = queueOf(2, cron)
    held.do(release(1, 1), 6_000)
    assert.equal(holder(held), 2)
  })

  it('counts a minimum hold from the grant, not from the acquire, and none for who never held', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [acquire(1), acquire(2, { terms: terms({ minHoldMs: 1_000 }) })] })
    machine.do(release(1, 1), 5_000)
    machine.do(release(2, 2), 5_500)
    assert.equal(machine.name('door')?.restUntil, 6_000)
    const waiting = newestMachineWith(2)
    waiting.apply({ at: 1_000, commands: [acquire(1), acquire(2, { terms: terms({ lockDelayMs: 1_000 }) })] })
    waiting.do(close(2))
    assert.equal(waiting.name('door')?.restUntil, undefined)
  })

  it('of 64 names ends in one entry, in which all who wait for them are granted, the oldest first', () => {
    const machine = newestMachineWith(2)
    const names = Array.from({ length: LIMITS.namesPerClaimMax }, (_, i) => `n${i}`)
    const others = [...names].reverse().map((name, slot) => acquire(2, { slot, names: [name] }))
    machine.apply({ at: 1_000, commands: [acquire(1, { names }), ...others] })
    machine.do(release(1, 1, { succession: leaving({ restMs: 300 }) }))
    assert.equal(machine.remains.size, 64)
    const { events } = machine.pass(1_300)
    assert.deepEqual(
      events.map((event) => event.kind === 'decided' && event.claim),
      others.map((_, i) => 2 + i),
    )
  })
})
