import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ShardedMap } from '../../src/machine/sharded-map.js'

type Change<K> = readonly [key: K, value: number | undefined]

/** Makes the same changes to a Map, and compares after each. */
function follow<K extends number | string>(changes: readonly Change<K>[]): void {
  const map = new ShardedMap<K, number>()
  const twin = new Map<K, number>()
  for (const [key, value] of changes) {
    if (value === undefined) map.delete(key)
    else map.set(key, value)
    if (value === undefined) twin.delete(key)
    else twin.set(key, value)
    assert.equal(map.size, twin.size)
    assert.equal(map.get(key), twin.get(key))
  }
  assert.deepEqual([...map.values()].sort(), [...twin.values()].sort())
  for (const [key, value] of twin) assert.equal(map.get(key), value)
}

describe('a map in many small ones', () => {
  const value = fc.option(fc.nat(), { nil: undefined })

  it('is as one Map, with names for keys, whatever they are', () => {
    const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 3 }), fc.constantFrom('__proto__', ''))
    fc.assert(fc.property(fc.array(fc.tuple(name, value), { maxLength: 200 }), follow<string>))
  })

  it('is as one Map, with numbers for keys, small ones and those beyond 32 bits', () => {
    const number = fc.oneof(
      fc.nat(20),
      fc.nat(20).map((n) => n * 2 ** 32),
      fc.maxSafeNat(),
    )
    fc.assert(fc.property(fc.array(fc.tuple(number, value), { maxLength: 200 }), follow<number>))
  })
})
