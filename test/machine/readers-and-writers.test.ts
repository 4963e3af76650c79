import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire, Downgrade } from '../../src/machine/language/command.js'
import {
  acquire,
  type CheckedMachine,
  close,
  granted,
  newestMachineWith as machineWith,
  outcome,
  queued,
  release,
  SHARED,
  terms,
} from './commands.js'

function read(session: number, rest: Partial<Acquire> = {}): Acquire {
  return acquire(session, { mode: SHARED, ...rest })
}

/** In slot 2. */
function upgrade(session: number, token: number, rest: Partial<Acquire> = {}): Acquire {
  return acquire(session, { slot: 2, terms: terms({ upgrades: token }), ...rest })
}

function downgrade(session: number, token: number): Downgrade {
  return { op: 'downgrade', session, key: 100 + session, slot: 3, seq: 1, token }
}

function holders(machine: CheckedMachine, name = 'door'): (number | undefined)[] {
  return (machine.name(name)?.holders ?? []).map(({ token }) => token)
}

describe('readers', () => {
  it('share, and none of them goes past a writer who waits', () => {
    const machine = machineWith(4)
    assert.deepEqual(machine.do(read(1)), granted(1, 1))
    assert.deepEqual(machine.do(read(2)), granted(2, 2))
    assert.deepEqual(machine.do(acquire(3)), queued(3))
    assert.equal(outcome(machine.do(read(4, { waitMs: 0 }))), 'TIMEOUT')
    assert.deepEqual(machine.do(read(4, { seq: 2 })), queued(5))
    machine.do(release(1, 1))
    assert.deepEqual(holders(machine), [2])
    machine.do(release(2, 2))
    assert.deepEqual(holders(machine), [3])
  })

  it('are let in together, in the entry in which the writer gives up, is refused, or goes', () => {
    const ways = [
      { at: 1_500, commands: [] },
      { at: 1_100, commands: [close(2)] },
    ]
    for (const batch of ways) {
      const machine = machineWith(4)
      machine.apply({ at: 1_000, commands: [read(1), acquire(2, { waitMs: 500 }), read(3), read(4)] })
      assert.deepEqual(holders(machine), [1])
      machine.apply(batch)
      assert.deepEqual(holders(machine), [1, 2, 3])
    }
  })
})

describe('downgrade', () => {
  it('keeps the token, and lets the readers in that stand next, no writer', () => {
    const machine = machineWith(5)
    machine.apply({ at: 1_000, commands: [acquire(1), read(2), read(3), acquire(4), read(5)] })
    assert.deepEqual(machine.do(downgrade(1, 1)), { kind: 'done', count: 1 })
    assert.deepEqual(holders(machine), [1, 2, 3])
  })

  it('is of what is held exclusively by the session itself, and of no work that is done once', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    assert.equal(outcome(machine.do(downgrade(2, 1))), 'NOT_HELD')
    machine.do(downgrade(1, 1))
    assert.equal(outcome(machine.do({ ...downgrade(1, 1), seq: 2 })), 'INVALID')
    machine.do(acquire(2, { names: ['k'], terms: terms({ fingerprint: 'f' }) }))
    assert.equal(outcome(machine.do({ ...downgrade(2, 2), seq: 2 })), 'INVALID')
  })
})

describe('upgrade', () => {
  it('waits for the other readers only, before all who wait, and replaces the shared claim', () => {
    const machine = machineWith(3)
    machine.apply({
      at: 1_000,
      commands: [read(1), read(2), acquire(3, { terms: terms({ priority: 255 }) })],
    })
    assert.deepEqual(machine.do(upgrade(1, 1)), queued(4))
    const { events, changes } = machine.apply({ at: 1_100, commands: [release(2, 2)] })
    assert.deepEqual(events, [{ kind: 'decided', claim: 4, outcome: granted(4, 3) }])
    assert.deepEqual(
      changes.map(({ kind, claim, reason }) => [kind, claim.id, reason]),
      [
        ['left', 2, 'released'],
        ['granted', 4, ''],
        ['left', 1, 'upgraded'],
      ],
    )
    assert.equal(outcome(machine.do(release(1, 1))), 'NOT_HELD')
    assert.equal(outcome(machine.do(release(1, 3, { seq: 2 }))), 'released')
  })

  it('is granted at once to the only reader, and may name the names in another order', () => {
    const machine = machineWith(1)
    machine.do(read(1, { names: ['a', 'b'] }))
    assert.deepEqual(machine.do(upgrade(1, 1, { names: ['b', 'a'], waitMs: 0 })), granted(2, 2))
  })

  it('of two readers would wait for each other: the second is refused, and the first is granted', () => {
    const machine = machineWith(2)
    machine.apply({ at: 1_000, commands: [read(1), read(2), upgrade(1, 1)] })
    assert.equal(outcome(machine.do(upgrade(2, 2))), 'DEADLOCK')
    machine.do(release(2, 2))
    assert.deepEqual(holders(machine), [3])
  })

  it('behind an heir, who waits for the very claim that is to be upgraded, is refused', () => {
    const machine = machineWith(3)
    machine.apply({ at: 1_000, commands: [acquire(1), acquire(2)] })
    machine.do(release(1, 1, { succession: { heir: 2, restMs: 500, result: undefined } }))
    machine.do(acquire(3, { terms: terms({ steal: true }) }))
    machine.do(downgrade(3, 2))
    assert.equal(outcome(machine.do(upgrade(3, 2))), 'DEADLOCK')
    machine.do(release(3, 2))
    assert.equal(machine.name('door')?.holders[0]?.claim, 2)
  })

  it('is refused in the entry in which its shared claim goes', () => {
    const force = {
      op: 'forceRelease',
      session: 2,
      key: 102,
      slot: 4,
      seq: 1,
      name: 'door',
      note: '',
    } as const
    const ways = [
      release(1, 1),
      { ...force, token: 1 },
      acquire(2, { slot: 5, terms: terms({ steal: true }) }),
    ]
    for (const command of ways) {
      const machine = machineWith(2)
      machine.apply({ at: 1_000, commands: [read(1), read(2), upgrade(1, 1)] })
      const { events } = machine.apply({ at: 1_100, commands: [command] })
      const decided = events.filter((event) => event.kind === 'decided')
      assert.deepEqual(
        decided.map(({ claim, outcome: came }) => [claim, outcome(came)]),
        [[3, 'NOT_HELD']],
      )
      assert.equal(outcome(machine.do(upgrade(1, 1))), 'NOT_HELD')
    }
  })

  it('whose session ends is told that, and not that its shared claim is gone', () => {
    const machine = machineWith(2)
    machine.apply({ at: 1_000, commands: [read(1), read(2), upgrade(1, 1)] })
    const { events } = machine.apply({ at: 1_100, commands: [close(1)] })
    const decided = events.filter((event) => event.kind === 'decided')
    assert.deepEqual(
      decided.map((event) => outcome(event.outcome)),
      ['SESSION_EXPIRED'],
    )
  })

  it('given up lets those in whom it kept out, and leaves the shared claim as it was', () => {
    const machine = machineWith(3)
    machine.apply({ at: 1_000, commands: [read(1), read(2), upgrade(1, 1, { waitMs: 100 }), read(3)] })
    assert.deepEqual(holders(machine), [1, 2])
    machine.pass(1_100)
    assert.deepEqual(holders(machine), [1, 2, 3])
  })

  it('is of a shared claim of the session itself, on all its names, held once', () => {
    const machine = machineWith(2)
    const owner = 'p'
    machine.apply({ at: 1_000, commands: [read(1, { names: ['a', 'b'] }), acquire(2, { names: ['c'] })] })
    machine.do(read(2, { slot: 6, names: ['d'], terms: terms({ owner }) }))
    machine.do(read(2, { slot: 7, names: ['d'], terms: terms({ owner, reentrant: true }) }))
    const senseless = [
      upgrade(2, 1, { names: ['a', 'b'] }),
      upgrade(1, 1, { names: ['a'] }),
      upgrade(1, 1, { names: ['a', 'c'] }),
      upgrade(1, 1, { names: ['a', 'b', 'c'] }),
      upgrade(2, 2, { names: ['c'] }),
      upgrade(2, 3, { names: ['d'] }),
      upgrade(1, 99, { names: ['a', 'b'] }),
    ]
    senseless.forEach((command, k) => {
      assert.equal(outcome(machine.do({ ...command, seq: k + 1 })), 'INVALID', String(k))
    })
  })

  it('under way, its owner does not get what is about to be replaced once more', () => {
    const machine = machineWith(2)
    const owned = terms({ owner: 'p' })
    machine.apply({ at: 1_000, commands: [read(1, { terms: owned }), read(2)] })
    machine.do(upgrade(1, 1, { terms: { ...owned, upgrades: 1 } }))
    const again = read(1, { slot: 5, terms: { ...owned, reentrant: true } })
    assert.equal(outcome(machine.do(again)), 'DEADLOCK')
  })
})
