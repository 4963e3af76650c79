import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acquire, cancel, granted, machineWith, outcome, queued, release } from './commands.js'

describe('a request with the newest seq of its slot', () => {
  it('46 has the same token and one effect', () => {
    const machine = machineWith(1)
    assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
    assert.deepEqual(machine.do(acquire(1), 5_000), granted(1, 1))
    assert.equal(machine.claims.size, 1)
    assert.equal(machine.claims.nextToken, 2)
  })

  it('is queued once, and finds its grant when it asks again', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    assert.deepEqual(machine.do(acquire(2)), queued(2))
    assert.deepEqual(machine.do(acquire(2)), queued(2))
    machine.do(release(1, 1))
    assert.deepEqual(machine.do(acquire(2)), granted(2, 2))
  })

  it('keeps the wait limit of the first time, and finds that it passed', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 500 }), 1_000)
    machine.do(acquire(2, { waitMs: 500 }), 1_400)
    assert.equal(outcome(machine.do(acquire(2, { waitMs: 500 }), 1_500)), 'TIMEOUT')
    machine.do(release(1, 1))
    assert.equal(outcome(machine.do(acquire(2, { waitMs: 500 }))), 'TIMEOUT')
  })

  it('does not take again what was released through another slot', () => {
    const machine = machineWith(1)
    machine.do(acquire(1))
    machine.do(release(1, 1))
    assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
    assert.equal(machine.name('door'), undefined)
  })
})

describe('a request with another seq', () => {
  it('that is lower is stale, and has no effect', () => {
    const machine = machineWith(1)
    machine.do(acquire(1, { seq: 7 }))
    machine.do(release(1, 1, { slot: 0, seq: 8 }))
    assert.equal(outcome(machine.do(acquire(1, { seq: 7 }))), 'STALE_REQUEST')
    assert.equal(machine.name('door'), undefined)
  })

  it('that is higher is refused while the acquire of the slot still waits, and nothing is lost', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    for (const early of [acquire(2, { seq: 2 }), release(2, 1, { slot: 0, seq: 2 }), cancel(2, { seq: 2 })]) {
      assert.equal(outcome(machine.do(early)), 'INVALID')
    }
    machine.do(release(1, 1))
    assert.deepEqual(machine.do(acquire(2)), granted(2, 2))
    assert.deepEqual(machine.do(acquire(2, { seq: 2 })), queued(3))
  })
})

describe('cancel', () => {
  it('takes back a claim that waits', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 500 }))
    const { verdicts, events } = machine.apply({ at: 1_100, commands: [cancel(2), cancel(2)] })
    assert.deepEqual(verdicts, [{ kind: 'cancelled' }, { kind: 'cancelled' }])
    assert.deepEqual(
      events.map((event) => event.kind === 'decided' && [event.claim, outcome(event.outcome)]),
      [[2, 'CANCELLED']],
    )
    assert.equal(outcome(machine.do(acquire(2))), 'CANCELLED')
    assert.equal(machine.name('door')?.waiterCount, 0)
  })

  it('takes back a claim that was granted meanwhile, and leaves nothing behind', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    machine.do(cancel(1))
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
    assert.equal(outcome(machine.do(acquire(1))), 'CANCELLED')
    assert.equal(machine.session(1)?.claimCount, 0)
  })

  it('that overtakes its acquire is found by it', () => {
    const machine = machineWith(1)
    assert.equal(outcome(machine.do(cancel(1))), 'cancelled')
    assert.equal(outcome(machine.do(acquire(1))), 'CANCELLED')
    assert.equal(machine.name('door'), undefined)
    assert.deepEqual(machine.do(acquire(1, { seq: 2 })), granted(1, 1))
  })

  it('of a request the slot has left behind has no effect', () => {
    const machine = machineWith(1)
    machine.do(acquire(1))
    machine.do(acquire(1, { seq: 2, names: ['gate'] }))
    assert.equal(outcome(machine.do(cancel(1))), 'cancelled')
    assert.equal(machine.session(1)?.claimCount, 2)
  })

  it('after a release through another slot touches no later holder', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    machine.do(release(1, 1))
    assert.equal(outcome(machine.do(cancel(1))), 'cancelled')
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })

  it('of a release or of a refused acquire changes nothing', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 0 }))
    assert.equal(outcome(machine.do(cancel(2))), 'cancelled')
    assert.equal(outcome(machine.do(acquire(2, { waitMs: 0 }))), 'TIMEOUT')
    machine.do(release(1, 1))
    machine.do(cancel(1, { slot: 1 }))
    assert.equal(outcome(machine.do(release(1, 1))), 'released')
  })
})
