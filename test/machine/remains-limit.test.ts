import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Suspend } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { Machine } from '../../src/machine/machine.js'
import { acquire, open, outcome, release, terms } from './commands.js'

const KEEP_MS = 60_000
const NAMES = LIMITS.namesPerClaimMax

/** By session 1, in slot 9. */
function suspend(name: string, seq: number): Suspend {
  return { op: 'suspend', session: 1, key: 101, slot: 9, seq, name, note: '', forMs: KEEP_MS }
}

describe('names that rest, are suspended or keep a result', () => {
  it('are a million at most: what would leave one more is refused, all else goes on, until there is room', () => {
    const machine = new Machine()
    machine.apply({ at: 1, commands: [{ op: 'raise', level: 2 }, open(101, 1_000_000)] })
    const work = terms({ fingerprint: 'f' })
    machine.apply({ at: 2, commands: [acquire(1), acquire(1, { slot: 2, names: ['k'], terms: work })] })
    const rest = { heir: 0, restMs: KEEP_MS, result: undefined }
    const rests = Array.from({ length: LIMITS.remainsMax / NAMES }, (_, i) => {
      const names = Array.from({ length: NAMES }, (__, k) => `n${i}.${k}`)
      const token = i + 3
      return [
        acquire(1, { slot: 8, seq: i + 1, names }),
        release(1, token, { slot: 7, seq: i + 1, succession: rest }),
      ]
    })
    machine.apply({ at: 3, commands: rests.flat() })
    assert.equal(machine.remains.size, LIMITS.remainsMax)
    const result = { data: '', keepMs: 1 }
    const tooMuch = [
      suspend('more', 1),
      release(1, 1, { succession: { heir: 0, restMs: 1, result: undefined } }),
      release(1, 2, { seq: 2, succession: { heir: 0, restMs: 0, result } }),
      acquire(1, { slot: 3, names: ['a'], terms: terms({ lockDelayMs: 1 }) }),
      acquire(1, { slot: 4, names: ['b'], terms: terms({ minHoldMs: 1 }) }),
    ]
    const all = [...tooMuch, acquire(1, { slot: 5, names: ['c'] }), release(1, 1, { seq: 3 })]
    assert.deepEqual(machine.apply({ at: 4, commands: all }).verdicts.map(outcome), [
      ...tooMuch.map(() => 'LIMIT'),
      'granted',
      'released',
    ])
    machine.apply({ at: 3 + KEEP_MS, commands: [] })
    assert.equal(machine.remains.size, 0)
    assert.equal(machine.claims.queues.size, 2)
    const { verdicts } = machine.apply({
      at: 4 + KEEP_MS,
      commands: [suspend('more', 2)],
    })
    assert.deepEqual(verdicts.map(outcome), ['done'])
  })
})
