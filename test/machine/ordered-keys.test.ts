import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { OrderedKeys } from '../../src/machine/ordered-keys.js'

describe('the keys of a map in order', () => {
  it('are what a sorted copy of the map would be, whatever comes, goes and is read in between', () => {
    const change = fc.record({
      key: fc.integer({ min: 0, max: 3_000 }),
      count: fc.integer({ min: 1, max: 900 }),
    })
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 40 }),
        fc.integer({ min: 0, max: 4_000 }),
        (changes, first) => {
          const map = new Set<number>()
          const keys = new OrderedKeys<number>((key) => map.has(key))
          for (const { key, count } of changes) {
            for (let each = key; each < key + count; each++) {
              if (!map.delete(each)) map.add(each)
              keys.changed(each)
            }
            if (count % 3 === 0) keys.from(0).next()
          }
          const expected = [...map].filter((key) => key >= first).sort((a, b) => a - b)
          assert.deepEqual([...keys.from(first)], expected)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('are read from the middle of 200,000 with a few comparisons, not by a walk to it', () => {
    const map = new Set<string>()
    const keys = new OrderedKeys<string>((key) => map.has(key))
    for (let k = 0; k < 200_000; k++) {
      const name = `orders/${String(k).padStart(6, '0')}`
      map.add(name)
      keys.changed(name)
    }
    let looks = 0
    const first = {
      valueOf: () => {
        looks++
        return 'orders/150000'
      },
    }
    assert.equal(keys.from(first as unknown as string).next().value, 'orders/150000')
    assert(looks < 40, `${looks} comparisons`)
  })
})
