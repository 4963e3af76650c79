import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UNUSED, UsageBook } from '../../src/attachments/usage.js'
import { Machine } from '../../src/machine/machine.js'
import { acquire, open, release } from '../machine/commands.js'

describe('how a name is used', () => {
  function machineOf(book: UsageBook): Machine {
    class Watched extends Machine {
      override apply(batch: Parameters<Machine['apply']>[0]): ReturnType<Machine['apply']> {
        const applied = super.apply(batch)
        book.onChanges(applied.changes)
        return applied
      }
    }
    const machine = new Watched()
    machine.apply({ at: 0, commands: [{ op: 'raise', level: 2 }, open(101), open(102), open(103)] })
    return machine
  }

  it('shows how long it was waited for, how long it was held, and who gave up', () => {
    const book = new UsageBook()
    const machine = machineOf(book)
    machine.apply({ at: 100, commands: [acquire(1)] })
    machine.apply({ at: 200, commands: [acquire(2)] })
    machine.apply({ at: 300, commands: [acquire(3, { waitMs: 50 })] })
    machine.apply({ at: 500, commands: [release(1, 1)] })
    machine.apply({ at: 1_500, commands: [release(2, 2)] })
    assert.deepEqual(book.of('door'), {
      grants: 2,
      waitedMs: 300,
      waitedMsMax: 300,
      leaves: 2,
      heldMs: 1_400,
      heldMsMax: 1_000,
      gaveUp: 1,
    })
    assert.equal(book.of('gate'), UNUSED)
  })

  it('is forgotten of those that were used least lately, so that it takes no more room for more names', () => {
    const book = new UsageBook()
    const machine = machineOf(book)
    for (let i = 0; i <= 10_000; i++) {
      machine.apply({ at: 0, commands: [acquire(1, { seq: i + 1, names: [`n${i}`], waitMs: 0 })] })
    }
    assert.equal(book.of('n4999'), UNUSED)
    assert.equal(book.of('n5000').grants, 1)
    assert.equal(book.of('n10000').grants, 1)
  })
})
