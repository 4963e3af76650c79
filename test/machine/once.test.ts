import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire, Release } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { acquire, cancel, granted, newestMachineWith, outcome, release, SHARED, terms } from './commands.js'

const WORK = terms({ fingerprint: 'work' })

function once(session: number, rest: Partial<Acquire> = {}): Acquire {
  return acquire(session, { terms: WORK, ...rest })
}

function done(session: number, token: number, data = 'result', keepMs = 500): Release {
  return release(session, token, { succession: { heir: 0, restMs: 0, result: { data, keepMs } } })
}

describe('work that is done once', () => {
  it('is given to all who wait and to who comes while it is kept, and to nobody after', () => {
    const machine = newestMachineWith(3)
    machine.apply({ at: 1_000, commands: [once(1), once(2)] })
    const { events } = machine.apply({ at: 1_100, commands: [done(1, 1)] })
    const found = { kind: 'found', token: 1, data: 'result' }
    assert.deepEqual(events, [{ kind: 'decided', claim: 2, outcome: found }])
    assert.deepEqual(machine.do(once(3), 1_599), found)
    assert.deepEqual(machine.do(once(2), 1_599), found, 'asked again')
    assert.deepEqual(machine.do(once(3, { seq: 2 }), 1_600), granted(4, 2))
  })

  it('is never begun anew by a copy of a request that was answered, however late it comes', () => {
    const machine = newestMachineWith(3)
    machine.apply({ at: 1_000, commands: [once(1), once(2), done(1, 1), once(3)] })
    machine.pass(5_000)
    for (const session of [2, 3]) assert.equal(outcome(machine.do(once(session))), 'STALE_REQUEST')
    assert.equal(machine.claims.size, 0)
    assert.equal(outcome(machine.do(cancel(3))), 'cancelled')
    assert.equal(outcome(machine.do(once(3))), 'CANCELLED')
    assert.deepEqual(machine.do(once(2, { seq: 2 })), granted(4, 2))
  })

  it('goes on with the next who waits when its runner releases without a result', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [once(1), once(2), release(1, 1)] })
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })

  it('does not mix with other work, nor with a lock of the same name', () => {
    const machine = newestMachineWith(2)
    const others = [
      acquire(2),
      once(2, { terms: terms({ fingerprint: 'other' }), seq: 2 }),
      acquire(2, { mode: SHARED, seq: 3 }),
      acquire(2, { mode: { kind: 'permits', permits: 1, of: 2 }, seq: 4 }),
      acquire(2, { names: ['free', 'door'], seq: 5 }),
      acquire(2, { terms: terms({ steal: true }), seq: 6 }),
    ]
    machine.do(once(1))
    for (const other of others) assert.equal(outcome(machine.do(other)), 'CONFLICT')
    const member = acquire(2, { mode: { kind: 'member' }, slot: 3 })
    assert.equal(outcome(machine.do(member)), 'granted', 'members are in nobody’s way')
    machine.do(done(1, 1))
    for (const other of others)
      assert.equal(outcome(machine.do({ ...other, seq: other.seq + 10 })), 'CONFLICT')
    assert.equal(machine.name('free'), undefined)
  })

  it('has a result only of a claim with a fingerprint', () => {
    const machine = newestMachineWith(1)
    machine.do(acquire(1))
    assert.equal(outcome(machine.do(done(1, 1))), 'INVALID')
    assert.equal(machine.name('door')?.holderCount, 1)
  })

  it('counts its result among the data of the cluster, until it is forgotten', () => {
    const machine = newestMachineWith(1)
    const data = 'x'.repeat(LIMITS.dataBytesMax)
    const count = LIMITS.dataLengthMax / data.length
    const keys = Array.from({ length: count }, (_, i) => [`k${i}`])
    machine.apply({ at: 1_000, commands: keys.map((names, slot) => once(1, { names, slot })) })
    const kept = keys.map((_, i) => ({ ...done(1, i + 1, data, 500), slot: 10_000, seq: i + 1 }))
    const { verdicts } = machine.apply({ at: 1_000, commands: kept })
    assert.ok(verdicts.every(({ kind }) => kind === 'released'))
    const full = acquire(1, { slot: 20_000, names: ['more'], terms: terms({ data: 'y' }) })
    assert.equal(outcome(machine.do(full)), 'LIMIT')
    assert.equal(outcome(machine.do(acquire(1, { slot: 20_001, names: ['bare'] }))), 'granted')
    const update = { op: 'update', session: 1, key: 101, slot: 20_002, token: count + 1, data: 'y' } as const
    assert.equal(outcome(machine.do({ ...update, seq: 1 })), 'LIMIT')
    machine.do(once(1, { slot: 20_003, names: ['late'] }))
    assert.equal(outcome(machine.do({ ...done(1, count + 2, 'y'), slot: 20_004 })), 'LIMIT')
    machine.pass(1_500)
    assert.equal(outcome(machine.do({ ...update, seq: 2 })), 'done')
  })
})
