import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Seats } from '../../src/machine/seats.js'

const CAPACITY = 100
const turn = fc.record({ count: fc.integer({ min: 1, max: 40 }), which: fc.nat() })

describe('the seats of a semaphore', () => {
  it('are the lowest that are free, whatever was taken and given back before', () => {
    const property = fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
      const seats = new Seats(CAPACITY)
      const held: (readonly number[])[] = []
      for (const { count, which } of turns) {
        const taken = new Set(held.flat())
        const free = Array.from({ length: CAPACITY }, (_, seat) => seat).filter((seat) => !taken.has(seat))
        assert.equal(seats.free, free.length)
        assert.equal(seats.isUnused, held.length === 0)
        if (count <= free.length && which % 3 > 0) {
          const got = seats.take(count)
          assert.deepEqual(got, free.slice(0, count))
          held.push(got)
        } else if (held.length > 0) seats.giveBack(held.splice(which % held.length, 1)[0]!)
      }
      const restored = new Seats(CAPACITY)
      for (const several of held) restored.occupy(several)
      assert.equal(restored.free, seats.free)
      assert.deepEqual(restored.take(restored.free), seats.take(seats.free))
    })
    fc.assert(property, { numRuns: 500 })
  })
})
