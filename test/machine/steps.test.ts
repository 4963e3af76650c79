import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { finish, forEach, type Steps, sorted } from '../../src/machine/steps.js'

/** What `work` did in each step, by the count that `done` gives. */
function perStep<T>(work: Steps<T>, done: () => number): { result: T; counts: number[] } {
  const counts: number[] = []
  for (let before = done(); ; before = done()) {
    const step = work.next()
    counts.push(done() - before)
    if (step.done) return { result: step.value, counts }
  }
}

describe('work in steps', () => {
  it('does with each what it does at once, and never much in one step', () => {
    let seen = 0
    const items = Array.from({ length: 50_000 }, (_, k) => k)
    const { counts } = perStep(
      forEach(items, (item) => {
        assert.equal(item, seen++)
      }),
      () => seen,
    )
    assert.equal(seen, items.length)
    assert.ok(counts.length >= 25 && Math.max(...counts) <= 2_000, counts.join())
  })

  it('sorts as Array does, and equals stay in their order', () => {
    const rows = fc.array(fc.tuple(fc.nat(30), fc.nat()), { maxLength: 100 })
    const compare = (a: readonly number[], b: readonly number[]): number => a[0]! - b[0]!
    const property = fc.property(rows, fc.integer({ min: 1, max: 400 }), (some, times) => {
      const all = Array.from({ length: times }, () => some).flat()
      assert.deepEqual(finish(sorted(all, compare)), [...all].sort(compare))
    })
    fc.assert(property, { numRuns: 50 })
  })

  it('sorts a hundred thousand in any order without comparing many in one step', () => {
    let compared = 0
    const compare = (a: number, b: number): number => {
      compared++
      return a - b
    }
    for (const key of [(k: number) => k, (k: number) => -k, (k: number) => Math.imul(k, 0x9e3779b1)]) {
      const items = Array.from({ length: 100_000 }, (_, k) => key(k))
      const { result, counts } = perStep(sorted(items, compare), () => compared)
      assert.deepEqual(
        result,
        items.sort((a, b) => a - b),
      )
      assert.ok(Math.max(...counts) <= 200_000, counts.join())
    }
  })
})
