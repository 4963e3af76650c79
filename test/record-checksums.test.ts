import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Checksums } from '../src/record-store/checksums.js'
import type { Totals } from '../src/record-store/totals.js'

describe('the table of checksums', () => {
  it('has the totals of a dumb twin over any sequence of changes', () => {
    const change = fc.tuple(
      fc.integer({ min: 0, max: 60 }),
      fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 400 }), (changes) => {
        const table = new Checksums()
        const twin = new Map<string, number>()
        for (const [key, checksum] of changes) follow(table, twin, `c${key}`, checksum)
        assert.deepEqual(table.totals, totalsOf(twin))
      }),
    )
  })

  it('keeps them while a hundred thousand come, change and go', () => {
    const table = new Checksums()
    const twin = new Map<string, number>()
    for (let k = 0; k < 100_000; k++) follow(table, twin, `s${k}`, (k * 2_654_435_761) % 2 ** 32)
    for (let k = 0; k < 100_000; k += 3) follow(table, twin, `s${k}`, k)
    for (let k = 0; k < 100_000; k += 2) follow(table, twin, `s${k}`, undefined)
    assert.deepEqual(table.totals, totalsOf(twin))
    for (let k = 0; k < 100_000; k++) follow(table, twin, `s${k}`, undefined)
    assert.deepEqual(table.totals, { count: 0, sum: 0 })
  })
})

function follow(
  table: Checksums,
  twin: Map<string, number>,
  key: string,
  checksum: number | undefined,
): void {
  if (checksum === undefined) {
    table.delete(key)
    twin.delete(key)
  } else {
    table.set(key, checksum)
    twin.set(key, checksum)
  }
}

function totalsOf(twin: Map<string, number>): Totals {
  let sum = 0
  for (const checksum of twin.values()) sum += checksum
  return { count: twin.size, sum: sum % 2 ** 48 }
}
