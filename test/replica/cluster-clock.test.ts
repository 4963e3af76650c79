import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ClusterClock, TURN_MS_MAX } from '../../src/replica/cluster-clock.js'

const TICK_MS = 10

describe("the cluster's clock", () => {
  it('goes on from the last time in the log, whatever the clock of this machine shows', () => {
    const clock = new ClusterClock(5_000, 123_456.7, TICK_MS)
    assert.equal(clock.turn(123_456.7), 5_000)
    assert.equal(clock.turn(123_466.7), 5_010)
  })

  it('loses nothing to the fractions of a millisecond', () => {
    const clock = new ClusterClock(0, 0, TICK_MS)
    for (let k = 1; k < 1_000; k++) clock.turn(k * 0.25)
    assert.equal(clock.turn(250), 250)
  })

  it('counts a stall as one turn (fault 39)', () => {
    const clock = new ClusterClock(0, 0, TICK_MS)
    assert.equal(clock.turn(5_000), TICK_MS + TURN_MS_MAX)
    assert.equal(clock.turn(5_010), TICK_MS + TURN_MS_MAX + 10)
  })

  it('never goes back, nor faster than the monotonic clock (P6)', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 500, noNaN: true })), (turns) => {
        const clock = new ClusterClock(100, 0, TICK_MS)
        let nowMs = 0
        let at = 100
        for (const turnMs of turns) {
          nowMs += turnMs
          const next = clock.turn(nowMs)
          assert(next >= at && next <= 100 + nowMs)
          at = next
        }
      }),
    )
  })
})
