import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { History } from '../../src/attachments/history.js'
import type { Change } from '../../src/machine/changes.js'
import { type Command, NO_TERMS } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'

const SESSION = { session: 1, key: 7, slot: 0 } as const
describe('the history of names', () => {
  let machine: Machine
  let history: History
  let seq = 0
  beforeEach(() => {
    machine = new Machine()
    history = new History()
    const open = { op: 'open', key: 7, ttlMs: LIMITS.ttlMsMax, label: '' } as const
    machine.apply({ at: 0, commands: [{ op: 'raise', level: FEATURE_LEVEL }, open] })
  })

  function apply(...commands: Command[]): readonly Change[] {
    return machine.apply({ at: 1, commands }).changes
  }

  /** Granted and taken back: two changes of each name. */
  function comeAndGo(names: string[], data = ''): readonly Change[] {
    const numbers = { ...SESSION, seq: ++seq }
    const terms = { ...NO_TERMS, data }
    const mode = { kind: 'exclusive' } as const
    return apply(
      { op: 'acquire', ...numbers, names, mode, waitMs: 0, label: '', terms },
      { op: 'cancel', ...numbers },
    )
  }

  const revisions = (name: string, from: number) =>
    [...history.of(name, from)].map(({ revision }) => revision)

  it('has the changes of a name from a revision on', () => {
    history.onChanges(comeAndGo(['a', 'b']))
    history.onChanges(comeAndGo(['b']))
    assert.deepEqual(
      [revisions('a', 1), revisions('b', 1), revisions('b', 3)],
      [
        [1, 3],
        [2, 4, 5, 6],
        [4, 5, 6],
      ],
    )
    assert.deepEqual([revisions('b', 7), revisions('c', 1)], [[], []])
    assert.ok(history.covers(0, 6) && history.covers(6, 6))
  })

  it('remembers nothing from before it was fed, and forgets all when some were leapt over', () => {
    comeAndGo(['a'])
    assert.equal(history.covers(0, machine.revision), false)
    assert.ok(history.covers(2, machine.revision), 'of what is yet to come it will miss nothing')
    history.onChanges(comeAndGo(['a']))
    assert.deepEqual([history.covers(2, 4), history.covers(1, 4), revisions('a', 1)], [true, false, [3, 4]])
    comeAndGo(['a'])
    assert.equal(history.covers(2, machine.revision), false, 'the machine is ahead of what it was told')
    history.onChanges(comeAndGo(['a']))
    assert.deepEqual([history.covers(6, 8), history.covers(4, 8), revisions('a', 1)], [true, false, [7, 8]])
  })

  it('remembers so many, the newest', () => {
    const names = Array.from({ length: LIMITS.namesPerClaimMax }, (_, k) => `${k}`)
    while (machine.revision <= LIMITS.changesMax) history.onChanges(comeAndGo(names))
    const { revision } = machine
    const oldest = revision - LIMITS.changesMax
    assert.deepEqual([history.covers(oldest, revision), history.covers(oldest - 1, revision)], [true, false])
    const all = names.flatMap((name) => revisions(name, 1)).sort((x, y) => x - y)
    assert.deepEqual([all.length, all[0], all.at(-1)], [LIMITS.changesMax, oldest + 1, revision])
  })

  it('remembers no more data than so many characters', () => {
    const data = 'x'.repeat(LIMITS.dataBytesMax)
    const count = LIMITS.dataLengthMax / data.length
    while (machine.revision < count) history.onChanges(comeAndGo(['a'], data))
    assert.ok(history.covers(0, count))
    history.onChanges(comeAndGo(['a'], data))
    assert.deepEqual([history.covers(2, count + 2), history.covers(1, count + 2)], [true, false])
  })

  it('wakes those who watch a name at its changes, and all of them now and then', () => {
    const woken: (number | undefined)[] = []
    const stop = history.watch('a', (revision) => woken.push(revision))
    history.onChanges(comeAndGo(['b', 'a']))
    assert.deepEqual(woken, [2, 4])
    while (machine.revision < LIMITS.changesMax) history.onChanges(comeAndGo(['b']))
    assert.deepEqual(woken, [2, 4, undefined, undefined], 'at each half of the ring')
    stop()
    history.onChanges(comeAndGo(['a']))
    assert.equal(woken.length, 4)
  })
})
