import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Lease } from '../../src/client/lease.js'
import { Machine } from '../../src/machine/machine.js'
import { ClusterClock } from '../../src/replica/cluster-clock.js'

describe('a lease', () => {
  it('is held, then unsure after two thirds of the TTL, then lost before the TTL is over', () => {
    const at = (nowMs: number) => new Lease(1_000, 9_000, undefined).standing(nowMs)
    assert.equal(at(6_999), 'held')
    assert.equal(at(7_000), 'unsure')
    assert.equal(at(9_549), 'unsure')
    assert.equal(at(9_550), 'lost') // 1,000 + 9,000 - 5 %
  })

  it('counts from when the acknowledged renewal was sent, not from when the acknowledgement came', () => {
    const lease = new Lease(0, 9_000, 450)
    lease.renewed(3_000, 8_000)
    assert.equal(lease.deadlineMs, 3_000 + 9_000 - 450)
    assert.equal(lease.standing(11_549), 'unsure')
    assert.equal(lease.standing(11_550), 'lost')
  })

  it('is lost before the cluster expires it, even with no margin of the user’s choice (P6)', () => {
    const machine = new Machine()
    const clock = new ClusterClock(0, 0, 10)
    // The leader's clock counts whole milliseconds: what is committed at 40.9 is written down as 40.
    const lease = new Lease(40.85, 100, 0)
    machine.apply({ at: clock.turn(40.9), commands: [{ op: 'open', key: 1, ttlMs: 100, label: '' }] })
    assert.equal(machine.apply({ at: clock.turn(90.9), commands: [] }).events.length, 0)
    const expiredMs = 140
    assert.equal(machine.apply({ at: clock.turn(expiredMs), commands: [] }).events.length, 1)
    assert.equal(lease.standing(expiredMs), 'lost')
  })

  it('is not revived by an acknowledgement that comes after the deadline', () => {
    const lease = new Lease(0, 9_000, 450)
    lease.renewed(3_000, 8_550)
    assert.equal(lease.standing(8_551), 'lost')
    lease.renewed(8_000, 8_552)
    assert.equal(lease.standing(8_553), 'lost')
  })

  it('never moves its deadline back for an older acknowledgement', () => {
    const lease = new Lease(5_000, 9_000, 450)
    lease.renewed(2_000, 6_000)
    assert.equal(lease.deadlineMs, 5_000 + 9_000 - 450)
  })

  it('keeps at least 50 ms of margin, and at most a third of the TTL', () => {
    assert.equal(new Lease(0, 600, undefined).deadlineMs, 550)
    assert.equal(new Lease(0, 90, undefined).deadlineMs, 60)
    assert.equal(new Lease(0, 9_000, 8_000).deadlineMs, 6_000)
  })
})
