import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire, Mode } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import {
  acquire,
  granted,
  newestMachineWith,
  open,
  outcome,
  queued,
  release,
  SHARED,
  terms,
} from './commands.js'

const TWO: Mode = { kind: 'permits', permits: 1, of: 2 }
let slot = 0

/** In a slot of its own. */
function ask(session: number, owner: string, name: string | string[], rest: Partial<Acquire> = {}): Acquire {
  return acquire(session, { slot: slot++, names: [name].flat(), terms: terms({ owner }), ...rest })
}

describe('a circle of tasks that wait for each other', () => {
  it('of two tasks of one session is seen, and not of two that are independent', () => {
    const machine = newestMachineWith(1)
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'a'), ask(1, 'q', 'b'), ask(1, 'p', 'b')] })
    assert.equal(outcome(machine.do(ask(1, 'r', 'a'))), 'queued')
    assert.equal(outcome(machine.do(ask(1, '', 'a'))), 'queued')
    const refused = machine.do(ask(1, 'q', 'a'))
    assert.equal(outcome(refused), 'DEADLOCK')
    assert.match(refused.kind === 'refused' ? refused.message : '', /'a' of 'p' of session 1.*'b' of itself/)
  })

  it('leaves nothing behind: who asks again after a release is granted', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'a'), ask(2, 'q', 'b'), ask(1, 'p', 'b')] })
    assert.equal(outcome(machine.do(ask(2, 'q', 'a'))), 'DEADLOCK')
    assert.equal(machine.name('a')?.waiterCount, 0)
    assert.equal(machine.session(2)?.claimCount, 1)
    machine.do(release(2, 2))
    assert.equal(outcome(machine.do(ask(2, 'q', 'a', { waitMs: 0 }))), 'TIMEOUT')
    assert.equal(outcome(machine.do(ask(2, 'q', 'a'))), 'queued')
  })

  it('of one who wants what its own task holds, or waits for', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'a'), ask(2, '', 'b'), ask(1, 'q', 'b')] })
    assert.equal(outcome(machine.do(ask(1, 'p', 'a'))), 'DEADLOCK')
    assert.equal(outcome(machine.do(ask(1, 'q', 'b'))), 'DEADLOCK')
  })

  it('by way of a reader who waits in another name', () => {
    const machine = newestMachineWith(2)
    const both = ask(2, '', ['a', 'b'], { mode: SHARED })
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'b'), both] })
    assert.equal(outcome(machine.do(ask(1, 'p', 'a', { mode: SHARED }))), 'DEADLOCK')
  })

  it('is none among readers', () => {
    const machine = newestMachineWith(2)
    const [first, second] = [ask(1, 'p', 'a', { mode: SHARED }), ask(2, 'q', 'b', { mode: SHARED })]
    machine.apply({ at: 1_000, commands: [first, second, ask(1, 'p', 'b', { mode: SHARED })] })
    assert.deepEqual(machine.do(ask(2, 'q', 'a', { mode: SHARED })), granted(4, 4))
  })

  it('is none at a semaphore as long as one of its holders can go on', () => {
    const machine = newestMachineWith(3)
    const [first, second] = [ask(1, 'p', 's', { mode: TWO }), ask(2, 'q', 's', { mode: TWO })]
    machine.apply({ at: 1_000, commands: [first, second, ask(3, 'r', 'a'), ask(1, 'p', 'a')] })
    const third = ask(3, 'r', 's', { mode: TWO })
    assert.deepEqual(machine.do(third), queued(5))
    machine.do({ op: 'cancel', session: 3, key: 103, slot: third.slot, seq: 1 })
    machine.do(ask(2, 'q', 'a'))
    assert.equal(outcome(machine.do(ask(3, 'r', 's', { mode: TWO }))), 'DEADLOCK')
  })

  it('by who comes before others is seen, though it has no owner, and could be granted at once', () => {
    const machine = newestMachineWith(3)
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'b'), ask(2, '', 'a'), ask(1, 'p', 'a')] })
    const urgent = { terms: terms({ priority: 9 }) }
    assert.equal(outcome(machine.do(ask(3, '', ['a', 'b'], urgent))), 'DEADLOCK')
    assert.equal(outcome(machine.do(ask(3, '', 'a', urgent))), 'queued')
  })

  it('is none of tasks that have the same name in two sessions', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'a'), ask(2, 'p', 'b')] })
    assert.equal(outcome(machine.do(ask(2, 'p', 'a'))), 'queued')
    assert.equal(outcome(machine.do(ask(1, 'p', 'b'))), 'DEADLOCK')
  })

  it('is none of a reader whom only an operator keeps from another', () => {
    const machine = newestMachineWith(3)
    const suspend = { op: 'suspend', session: 3, key: 103, slot: 0, seq: 1, name: 'a', note: '' } as const
    machine.apply({ at: 1_000, commands: [ask(1, 'p', 'a', { mode: SHARED }), ask(2, 'q', 'b')] })
    machine.apply({ at: 1_000, commands: [{ ...suspend, forMs: undefined }, ask(1, 'p', 'b')] })
    assert.equal(outcome(machine.do(ask(2, 'q', 'a', { mode: SHARED }))), 'queued')
  })

  it('is told from what only looks like one: the holder without an owner may go on', () => {
    const machine = newestMachineWith(2)
    machine.apply({ at: 1_000, commands: [ask(1, '', 'a'), ask(2, 'q', 'b'), ask(1, 'p', 'b')] })
    assert.equal(outcome(machine.do(ask(2, 'q', 'a'))), 'queued')
  })

  it('is not looked for without end: a thousand that hold something ask behind 100,000', () => {
    const machine = new Machine()
    const keys = [101, 102, 103]
    machine.apply({
      at: 1,
      commands: [{ op: 'raise', level: FEATURE_LEVEL }, ...keys.map((key) => open(key, 1_000_000))],
    })
    const crowd = Array.from({ length: 100_000 }, (_, i) =>
      acquire(1 + (i >> 16), { slot: i & 65_535, mode: SHARED, terms: terms({ owner: `o${i}` }) }),
    )
    machine.apply({ at: 2, commands: crowd })
    const owned = Array.from({ length: 1_000 }, (_, i) => terms({ owner: `o${i}` }))
    const holding = owned.map((each, i) => acquire(3, { slot: i, names: [`n${i}`], terms: each }))
    machine.apply({ at: 3, commands: holding })
    const asking = owned.map((each, i) => acquire(3, { slot: 1_000 + i, terms: each }))
    const before = process.cpuUsage()
    const { verdicts } = machine.apply({ at: 4, commands: asking })
    const { user } = process.cpuUsage(before)
    assert.ok(verdicts.every(({ kind }) => kind === 'queued'))
    // Some 0.3 s; with a search to the end it was more than 20 s.
    assert.ok(user < 5_000_000, `${user} µs`)
  })
})
