import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acquire, close, granted, keepAlive, machineWith, open, outcome, queued } from './commands.js'

describe('a session', () => {
  it('33 never expires early: alive one millisecond before its deadline, over at it', () => {
    const machine = machineWith(1)
    assert.equal(machine.nextDeadline(), 11_000)
    assert.deepEqual(machine.pass(10_999).events, [])
    assert.deepEqual(machine.pass(11_000).events, [{ kind: 'sessionEnded', session: 1, reason: 'expired' }])
    assert.equal(machine.session(1), undefined)
  })

  it('starts its TTL anew with each renewal, however many, and stands on the agenda once', () => {
    const machine = machineWith(1)
    for (let i = 1; i <= 1_000; i++) {
      assert.deepEqual(machine.do(keepAlive(1), 1_000 + i * 5_000), { kind: 'renewed', ttlMs: 10_000 })
    }
    assert.equal(machine.agenda.size, 1)
    assert.equal(machine.nextDeadline(), 5_001_000 + 10_000)
  })

  it('40 loses against its deadline in the same batch, and wins one millisecond earlier', () => {
    const late = machineWith(1)
    assert.equal(outcome(late.do(keepAlive(1), 11_000)), 'SESSION_EXPIRED')
    const early = machineWith(1)
    assert.equal(outcome(early.do(keepAlive(1), 10_999)), 'renewed')
    assert.equal(early.nextDeadline(), 20_999)
  })

  it('opened twice with one key is one session, renewed, with the TTL of the first time', () => {
    const machine = machineWith(1)
    assert.deepEqual(machine.do(open(101, 60_000), 5_000), { kind: 'opened', session: 1, ttlMs: 10_000 })
    assert.equal(machine.session(1)?.expiresAt, 15_000)
  })

  it('gets an id that nobody had before, even with the key of a session that is over', () => {
    const machine = machineWith(1)
    machine.do(close(1))
    assert.deepEqual(machine.do(open(101)), { kind: 'opened', session: 2, ttlMs: 10_000 })
    assert.equal(outcome(machine.do(keepAlive(1))), 'SESSION_EXPIRED')
  })

  it('cannot be used, renewed or closed with the key of another', () => {
    const machine = machineWith(2)
    for (const command of [keepAlive(1, 102), close(1, 102), acquire(1, { key: 102 })]) {
      assert.equal(outcome(machine.do(command)), 'SESSION_FOREIGN')
    }
    assert.equal(machine.nextDeadline(), 11_000)
  })

  it('that was never opened is told apart from one that is over', () => {
    const machine = machineWith(1)
    machine.do(close(1))
    assert.equal(outcome(machine.do(close(1))), 'SESSION_EXPIRED')
    assert.equal(outcome(machine.do(acquire(1))), 'SESSION_EXPIRED')
    assert.equal(outcome(machine.do(acquire(2))), 'SESSION_UNKNOWN')
  })

  it('takes all it holds and waits for with it, and tells who waited', () => {
    const machine = machineWith(3)
    machine.do(acquire(1))
    machine.do(acquire(2, { names: ['gate'] }))
    machine.do(acquire(1, { slot: 1, names: ['gate'] }))
    machine.do(acquire(3))
    const { verdicts, events } = machine.apply({ at: 2_000, commands: [close(1)] })
    assert.deepEqual(verdicts, [{ kind: 'closed' }])
    assert.deepEqual(
      events.map((event) => (event.kind === 'decided' ? [event.claim, outcome(event.outcome)] : event)),
      [[3, 'SESSION_EXPIRED'], { kind: 'sessionEnded', session: 1, reason: 'closed' }, [4, 'granted']],
    )
  })

  it('49 never inherits the lock of one before it', () => {
    const machine = machineWith(1)
    assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
    machine.pass(11_000)
    assert.deepEqual(machine.do(open(101)), { kind: 'opened', session: 2, ttlMs: 10_000 })
    assert.equal(machine.session(2)?.claimCount, 0)
    assert.deepEqual(machine.do(acquire(2, { key: 101 })), granted(2, 2))
    assert.deepEqual(machine.do(acquire(2, { key: 101, slot: 1 })), queued(3))
  })
})
