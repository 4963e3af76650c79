import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  acquire,
  cancel,
  close,
  granted,
  keepAlive,
  machineWith,
  outcome,
  queued,
  release,
} from './commands.js'

const LIVE = [1, 2, 3].map((session) => keepAlive(session))

describe('claims on one name', () => {
  it('42 carry tokens that grow across names, releases, expiry and the end of the queue', () => {
    const machine = machineWith(2)
    assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
    machine.do(release(1, 1))
    assert.equal(machine.name('door'), undefined)
    assert.deepEqual(machine.do(acquire(2, { names: ['gate'] })), granted(2, 2))
    assert.deepEqual(machine.do(acquire(1, { seq: 2 })), granted(3, 3))
    machine.apply({ at: 11_000, commands: [] })
    assert.equal(machine.claims.nextToken, 4)
  })

  it('43 are granted in the order of the log, and nobody barges in', () => {
    const machine = machineWith(3)
    machine.do(acquire(1))
    assert.deepEqual(machine.do(acquire(2)), queued(2))
    assert.equal(outcome(machine.do(acquire(3, { waitMs: 0 }))), 'TIMEOUT')
    assert.deepEqual(machine.do(acquire(3, { seq: 2 })), queued(4))
    const { events } = machine.apply({ at: 2_000, commands: [release(1, 1), acquire(1, { seq: 2 })] })
    assert.deepEqual(events, [{ kind: 'decided', claim: 2, outcome: granted(2, 2) }])
    assert.deepEqual(
      machine.name('door')?.waiters.map((waiter) => waiter.claim),
      [4, 5],
    )
  })

  it('44 are granted in the very entry that made room: by release, cancel, close or expiry', () => {
    const waysToLeave = [
      { at: 2_000, commands: [release(1, 1)] },
      { at: 2_000, commands: [cancel(1)] },
      { at: 2_000, commands: [close(1)] },
      { at: 11_000, commands: [] },
    ]
    for (const batch of waysToLeave) {
      const machine = machineWith(2)
      machine.do(acquire(1))
      machine.apply({ at: 1_500, commands: [keepAlive(2), acquire(2)] })
      const { events } = machine.apply(batch)
      assert.deepEqual(events.at(-1), { kind: 'decided', claim: 2, outcome: granted(2, 2) })
    }
  })

  it('45 skip a waiter that cancelled, whose wait ran out, or whose session is over', () => {
    const machine = machineWith(4)
    machine.do(acquire(1))
    machine.apply({ at: 2_000, commands: [acquire(2), acquire(3, { waitMs: 500 }), acquire(4)] })
    machine.do(cancel(2))
    machine.pass(2_500)
    const { events } = machine.apply({ at: 3_000, commands: [release(1, 1)] })
    assert.deepEqual(events, [{ kind: 'decided', claim: 4, outcome: granted(4, 2) }])
  })

  it('45 are not granted on the way to one that expires in the same entry as the holder', () => {
    const machine = machineWith(3)
    machine.apply({ at: 1_000, commands: [acquire(1), acquire(2), acquire(3)] })
    machine.apply({ at: 5_000, commands: [keepAlive(3)] })
    const { events } = machine.pass(12_000)
    const grants = events.filter((event) => event.kind === 'decided' && event.outcome.kind === 'granted')
    assert.deepEqual(grants, [{ kind: 'decided', claim: 3, outcome: granted(3, 2) }])
  })

  it('wait no longer than their limit, to the millisecond, and then leave nothing on the agenda', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 500 }))
    assert.deepEqual(machine.pass(1_499).events, [])
    assert.equal(machine.nextDeadline(), 1_500)
    const { events } = machine.pass(1_500)
    assert.deepEqual(
      events.map((event) => event.kind === 'decided' && outcome(event.outcome)),
      ['TIMEOUT'],
    )
    assert.equal(machine.agenda.size, 2)
  })

  it('that were granted have no wait limit any more', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 500 }))
    machine.do(release(1, 1))
    assert.deepEqual(machine.apply({ at: 5_000, commands: LIVE.slice(0, 2) }).events, [])
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })
})

describe('release', () => {
  it('47 by a stranger, with an old token, a future one, or twice: no effect and a typed answer', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    const stranger = machine.do(release(2, 1))
    assert.equal(outcome(stranger), 'NOT_HELD')
    assert.match(stranger.kind === 'refused' ? stranger.message : '', /another session/)
    assert.equal(machine.name('door')?.holders[0]?.session, 1)
    assert.equal(outcome(machine.do(release(1, 1))), 'released')
    assert.equal(outcome(machine.do(release(1, 1, { seq: 2 }))), 'NOT_HELD')
    assert.equal(outcome(machine.do(release(1, 99, { seq: 3 }))), 'NOT_HELD')
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })

  it('48 repeated because its answer was lost, is answered again and touches nobody', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    assert.equal(outcome(machine.do(release(1, 1))), 'released')
    assert.equal(outcome(machine.do(release(1, 1))), 'released')
    assert.equal(machine.name('door')?.holders[0]?.token, 2)
  })
})

describe('claims on several names', () => {
  it('hold all or none, and hold back who comes after them', () => {
    const machine = machineWith(3)
    machine.do(acquire(1, { names: ['b'] }))
    assert.deepEqual(machine.do(acquire(2, { names: ['a', 'b'] })), queued(2))
    assert.equal(machine.name('a')?.holderCount, 0)
    assert.deepEqual(machine.do(acquire(3, { names: ['a'] })), queued(3))
    machine.do(release(1, 1))
    assert.equal(machine.name('a')?.holders[0]?.claim, 2)
    machine.do(release(2, 2))
    assert.equal(machine.name('a')?.holders[0]?.claim, 3)
    assert.equal(machine.name('b'), undefined)
  })

  it('let pass whom they held back when they give up', () => {
    const machine = machineWith(3)
    machine.do(acquire(1, { names: ['b'] }))
    machine.do(acquire(2, { names: ['b', 'a'], waitMs: 100 }))
    machine.do(acquire(3, { names: ['a'] }))
    const { events } = machine.pass(1_100)
    assert.deepEqual(events.at(-1), { kind: 'decided', claim: 3, outcome: granted(3, 2) })
  })

  it('do not deadlock when they cross', () => {
    const machine = machineWith(2)
    machine.do(acquire(1, { names: ['a', 'b'] }))
    machine.do(acquire(2, { names: ['b', 'a'] }))
    machine.do(acquire(1, { names: ['b', 'a'], slot: 2 }))
    machine.do(release(1, 1))
    machine.do(release(2, 2))
    assert.equal(machine.name('a')?.holders[0]?.claim, 3)
    assert.equal(machine.name('b')?.holders[0]?.claim, 3)
  })

  it('are let in by the end of one session in the order of their arrival, whatever their names', () => {
    const machine = machineWith(3)
    machine.do(acquire(1, { names: ['a'] }))
    machine.do(acquire(1, { names: ['z'], slot: 1 }))
    machine.do(acquire(2, { names: ['z'] }))
    machine.do(acquire(3, { names: ['a'] }))
    const { events } = machine.apply({ at: 2_000, commands: [close(1)] })
    assert.deepEqual(events.slice(1), [
      { kind: 'decided', claim: 3, outcome: granted(3, 3) },
      { kind: 'decided', claim: 4, outcome: granted(4, 4) },
    ])
  })
})
