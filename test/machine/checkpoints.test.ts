import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checkMachine } from '../../src/machine/inspection/invariants.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { Machine } from '../../src/machine/machine.js'
import type { Fields, RecordChange } from '../../src/machine/records/records.js'
import { acquire, CheckedMachine, machineWith, release } from './commands.js'
import { batchesWith, portrait } from './stories.js'
import { appliedInWords } from './twin-words.js'

/** What a checkpoint writes to: all of it or nothing. */
class Shelf {
  readonly records = new Map<string, Fields>()

  constructor(readonly workMax?: number) {}

  put(changes: readonly RecordChange[]): void {
    for (const { key, fields } of changes) {
      if (fields === undefined) assert.ok(this.records.delete(key), `${key} goes, and was never there`)
      // As any encoding would: nothing is shared with the machine.
      else this.records.set(key, structuredClone(fields))
    }
  }

  restore(): Machine {
    const machine = Machine.restore(this.records, this.workMax)
    checkMachine(machine)
    return machine
  }
}

/** A whole checkpoint at once. */
function checkpoint(machine: Machine): readonly RecordChange[] {
  const changes = [machine.beginCheckpoint()]
  for (let slice = machine.ledger.take(7); slice.length > 0; slice = machine.ledger.take(7))
    changes.push(...slice)
  return changes
}

/** What one batch does of what nobody asked for in it: all, or so little that much is left to the next. */
for (const workMax of [LIMITS.workMax, 1, 3])
  describe(`a checkpoint, if a batch does ${workMax} of what is due`, () => {
    it('is of the moment it began, however its slices and the batches alternate', () => {
      const slices = fc.infiniteStream(fc.integer({ min: 0, max: 5 }))
      const property = fc.property(batchesWith(workMax), slices, (story, sizes) => {
        const machine = new CheckedMachine(workMax)
        const shelf = new Shelf(workMax)
        let pending: { changes: RecordChange[]; portrait: object; replayed: Machine | undefined } | undefined
        for (const batch of story) {
          const size = sizes.next().value!
          if (pending === undefined && size > 2) {
            pending = {
              portrait: portrait(machine),
              changes: [machine.beginCheckpoint()],
              replayed: undefined,
            }
          }
          machine.apply(batch)
          if (pending === undefined || size === 0) continue
          const slice = machine.ledger.take(size)
          pending.changes.push(...slice)
          if (slice.length > 0) continue
          shelf.put(pending.changes)
          assert.deepEqual(portrait(shelf.restore()), pending.portrait)
          pending = undefined
        }
        if (pending !== undefined) shelf.put([...pending.changes, ...machine.ledger.take(Infinity)])
        shelf.put(checkpoint(machine))
        assert.deepEqual(portrait(shelf.restore()), portrait(machine))
      })
      fc.assert(property, { numRuns: 400 })
    })

    it('restored, goes on exactly as the machine that went on (fault 23)', () => {
      const property = fc.property(batchesWith(workMax), fc.nat(40), (story, cut) => {
        const machine = new CheckedMachine(workMax)
        const shelf = new Shelf(workMax)
        for (const batch of story.slice(0, cut)) machine.apply(batch)
        shelf.put(checkpoint(machine))
        const restored = shelf.restore()
        for (const batch of story.slice(cut))
          assert.deepEqual(appliedInWords(restored.apply(batch)), appliedInWords(machine.apply(batch)))
        assert.deepEqual(portrait(restored), portrait(machine))
        shelf.put(checkpoint(restored))
        assert.deepEqual(portrait(shelf.restore()), portrait(machine))
      })
      fc.assert(property, { numRuns: 400 })
    })
  })

describe('a checkpoint', () => {
  it('comes in slices as small as asked for, though much of it had to be written early', () => {
    const machine = machineWith(1)
    for (let slot = 0; slot < 50; slot++) machine.do(acquire(1, { slot, names: [`name ${slot}`] }))
    const changes = [machine.beginCheckpoint()]
    machine.pass(1_000_000)
    for (let slice = machine.ledger.take(7); slice.length > 0; slice = machine.ledger.take(7)) {
      assert.ok(slice.length <= 7, `${slice.length} records`)
      changes.push(...slice)
    }
    const shelf = new Shelf()
    shelf.put(changes)
    assert.equal(shelf.restore().claims.size, 50)
  })

  it('costs nothing for what came and went since the last one', () => {
    const machine = machineWith(1)
    checkpoint(machine)
    for (let seq = 1; seq <= 100; seq++) {
      machine.do(acquire(1, { seq }))
      machine.do(release(1, seq, { seq }))
    }
    const keys = checkpoint(machine).map(({ key }) => key)
    assert.deepEqual(keys, ['m', 'r1.0', 'r1.1'])
  })

  it('of much that changed has all of it, and no part of it is so large that it stands still while it grows', () => {
    const machine = machineWith(1)
    const count = 10_000
    const commands = Array.from({ length: count }, (_, slot) => acquire(1, { slot, names: [`name ${slot}`] }))
    machine.apply({ at: machine.at, commands })
    const pages = new Map([...machine.claims.values()].map(({ page }) => [page!, page!.things.size]))
    assert.ok(pages.size > 1 && Math.max(...pages.values()) < 5_000, `pages of ${[...pages.values()]} things`)
    const shelf = new Shelf()
    shelf.put(checkpoint(machine))
    assert.deepEqual(portrait(shelf.restore()), portrait(machine))
    assert.equal(checkpoint(machine).length, 1)
  })

  it('takes away what it once recorded and is no more', () => {
    const machine = machineWith(1)
    machine.do(acquire(1))
    const shelf = new Shelf()
    shelf.put(checkpoint(machine))
    assert.deepEqual([...shelf.records.keys()], ['m', 's1', 'c1', 'r1.0'])
    machine.pass(1_000_000)
    shelf.put(checkpoint(machine))
    assert.deepEqual([...shelf.records.keys()], ['m'])
    assert.equal(shelf.restore().claims.nextToken, 2)
  })

  it('of another format is refused, not guessed at', () => {
    const machine = machineWith(1)
    const [summary] = checkpoint(machine)
    const foreign: [string, Fields] = ['m', [3, ...summary!.fields!.slice(1)]]
    assert.throws(() => Machine.restore([foreign]), /format 3; upgrade this node/)
    assert.throws(() => Machine.restore([['z1', []]]), /unknown kind: z1/)
    assert.throws(() => Machine.restore([]), /format undefined/)
  })
})
