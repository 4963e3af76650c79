import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command, ForceRelease, Suspend } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { acquire, granted, newestMachineWith, outcome, SHARED, terms } from './commands.js'

const STEAL = terms({ steal: true })

/** By session 1, in slot 9. */
function force(token: number, rest: Partial<ForceRelease> = {}): ForceRelease {
  return {
    op: 'forceRelease',
    session: 1,
    key: 101,
    slot: 9,
    seq: 1,
    name: 'door',
    note: 'why',
    token,
    ...rest,
  }
}

function suspend(forMs: number | undefined, rest: Partial<Suspend> = {}): Suspend {
  return { op: 'suspend', session: 1, key: 101, slot: 9, seq: 1, name: 'door', note: 'why', forMs, ...rest }
}

function readers(count: number): Command[] {
  return Array.from({ length: count }, (_, slot) => acquire(2, { slot, mode: SHARED }))
}

describe('a forced release', () => {
  it('of all ends each holder, tells each, and writes each down; the next in line follows', () => {
    const machine = newestMachineWith(3)
    machine.apply({ at: 1_000, commands: [...readers(2), acquire(3)] })
    const { verdicts, events } = machine.apply({ at: 1_100, commands: [force(0)] })
    assert.deepEqual(verdicts, [{ kind: 'done', count: 2 }])
    assert.deepEqual(events, [
      { kind: 'noticed', session: 2, notice: { kind: 'lost', token: 1, note: 'why' } },
      { kind: 'noticed', session: 2, notice: { kind: 'lost', token: 2, note: 'why' } },
      { kind: 'decided', claim: 3, outcome: granted(3, 3) },
    ])
    const entry = { kind: 'forceRelease', name: 'door', session: 1, note: 'why', at: 1_100 }
    assert.deepEqual(machine.interventions.all, [
      { ...entry, token: 1 },
      { ...entry, token: 2 },
    ])
    assert.deepEqual(
      machine.sessions.get(2)!.losses.map(({ token }) => token),
      [1, 2],
    )
  })

  it('of one leaves the others; of a member leaves the holders; of nobody is told so', () => {
    const machine = newestMachineWith(3)
    const member = acquire(3, { slot: 5, mode: { kind: 'member' } })
    machine.apply({ at: 1_000, commands: [...readers(2), member, acquire(3, { names: ['gate'] })] })
    assert.deepEqual(machine.do(force(2)), { kind: 'done', count: 1 })
    assert.deepEqual(machine.do(force(3, { seq: 2 })), { kind: 'done', count: 1 })
    assert.equal(machine.name('door')?.memberCount, 0)
    assert.equal(machine.name('door')?.holderCount, 1)
    for (const [seq, token] of [2, 4, 99].entries())
      assert.equal(outcome(machine.do(force(token, { seq: seq + 10 }))), 'NOT_HELD')
    assert.equal(outcome(machine.do(force(0, { seq: 20, name: 'nothing' }))), 'NOT_HELD')
  })

  it('asked again, has one effect', () => {
    const machine = newestMachineWith(3)
    machine.apply({ at: 1_000, commands: [acquire(2), acquire(3), force(0), force(0)] })
    assert.equal(machine.name('door')?.holders[0]?.session, 3)
    assert.equal(machine.interventions.all.length, 1)
  })

  it('ends what its owner holds several times', () => {
    const machine = newestMachineWith(2)
    const owned = terms({ owner: 'p', reentrant: true })
    machine.apply({
      at: 1_000,
      commands: [acquire(2, { terms: owned }), acquire(2, { slot: 1, terms: owned })],
    })
    machine.do(force(0))
    assert.equal(machine.name('door'), undefined)
  })
})

describe('a theft', () => {
  it('goes before all who wait and through a rest, ends holders of all its names, and may be of one’s own', () => {
    const machine = newestMachineWith(3)
    const delayed = terms({ lockDelayMs: 5_000 })
    machine.apply({
      at: 1_000,
      commands: [
        acquire(2, { names: ['a', 'b'], terms: delayed }),
        acquire(1, { names: ['c'], slot: 1 }),
        acquire(3, { names: ['a'], terms: terms({ priority: 255 }) }),
      ],
    })
    const stolen = machine.do(acquire(1, { names: ['c', 'b', 'a'], terms: STEAL, waitMs: 0, label: 'me' }))
    assert.equal(outcome(stolen), 'granted')
    assert.equal(machine.remains.size, 0)
    assert.deepEqual(
      machine.interventions.all.map(({ kind, name, token, note }) => [kind, name, token, note]),
      [
        ['steal', 'c', 2, 'stolen by session 1, me'],
        ['steal', 'b', 1, 'stolen by session 1, me'],
      ],
    )
    assert.equal(machine.sessions.get(1)!.losses.length, 1)
    assert.equal(machine.name('a')?.waiterCount, 1)
  })

  it('is not refused for a deadlock, for what it takes is gone by then', () => {
    const machine = newestMachineWith(3)
    const [cook, baker] = [terms({ owner: 'cook' }), terms({ owner: 'baker' })]
    machine.apply({
      at: 1_000,
      commands: [
        acquire(2, { names: ['butter'], terms: baker }),
        acquire(3, { names: ['bread'] }),
        acquire(2, { slot: 1, names: ['bread'], terms: baker }),
        acquire(1, { names: ['butter'], terms: cook }),
      ],
    })
    const stolen = machine.do(acquire(1, { slot: 1, names: ['bread'], terms: { ...cook, steal: true } }))
    assert.equal(outcome(stolen), 'granted')
  })

  it('is refused whole when one of its names is suspended, and of a semaphore', () => {
    const machine = newestMachineWith(2)
    const seats = { mode: { kind: 'permits', permits: 1, of: 2 }, names: ['s'] } as const
    machine.apply({ at: 1_000, commands: [acquire(2, { names: ['a'] }), acquire(2, { slot: 1, ...seats })] })
    machine.do(suspend(undefined, { name: 'b' }))
    assert.equal(outcome(machine.do(acquire(1, { names: ['a', 'b'], terms: STEAL }))), 'CONFLICT')
    assert.equal(outcome(machine.do(acquire(1, { seq: 2, names: ['s'], terms: STEAL }))), 'CONFLICT')
    assert.equal(machine.session(2)?.claimCount, 2)
  })
})

describe('a suspension', () => {
  it('asks holders, and is replaced by the next, longer or shorter', () => {
    const machine = newestMachineWith(2)
    machine.do(acquire(2))
    const { events } = machine.apply({ at: 1_000, commands: [suspend(undefined)] })
    const notice = { kind: 'asked', token: 1, note: 'suspended: why' }
    assert.deepEqual(events, [{ kind: 'noticed', session: 2, notice }])
    machine.do(suspend(300, { seq: 2 }))
    assert.equal(machine.name('door')?.suspension?.until, 1_300)
    assert.equal(machine.remains.size, 1)
    machine.pass(1_300)
    assert.equal(machine.name('door')?.suspension, undefined)
  })

  it('keeps no member out, and lasts as long as nobody resumes it', () => {
    const machine = newestMachineWith(2)
    machine.do(suspend(undefined))
    assert.equal(outcome(machine.do(acquire(2, { mode: { kind: 'member' } }))), 'granted')
    assert.equal(outcome(machine.do(acquire(2, { seq: 2 }))), 'queued')
    assert.equal(machine.name('door')?.suspension?.until, undefined)
  })
})

describe('what is kept of interventions', () => {
  it('is the newest of them, and of losses the newest of each session', () => {
    const machine = newestMachineWith(2)
    const count = LIMITS.interventionsMax + 10
    const commands = Array.from({ length: count }, (_, i) => [
      acquire(2, { seq: i + 1 }),
      force(i + 1, { seq: i + 1, note: `${i}` }),
    ])
    machine.apply({ at: 1_000, commands: commands.flat() })
    assert.equal(machine.interventions.all.length, LIMITS.interventionsMax)
    assert.equal(machine.interventions.all.at(-1)?.note, `${count - 1}`)
    const { losses } = machine.sessions.get(2)!
    assert.equal(losses.length, LIMITS.lossesPerSessionMax)
    assert.equal(losses.at(-1)?.note, `${count - 1}`)
  })
})
