import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'
import { RECORD_FORMAT } from '../../src/machine/records/records.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { CheckedMachine, outcome } from './commands.js'
import { disksOf } from './stories.js'

const RAISE: Command = { op: 'raise', level: FEATURE_LEVEL }
const UNHEARD_OF: Command = { op: 'unknown' }

function named(node: number, disk: number): Command {
  return { op: 'identify', node, disk }
}

function apply(machine: Machine, ...commands: Command[]): string[] {
  return machine.apply({ at: machine.at, commands }).verdicts.map(outcome)
}

describe('versions that replay one log (fault 18)', () => {
  it('agree on a command that only one of them knows, until the level rises', () => {
    const [newer, older] = [new CheckedMachine(), new CheckedMachine()]
    assert.deepEqual(apply(newer, named(1, 77)), ['UNSUPPORTED'])
    apply(older, UNHEARD_OF)
    assert.equal(newer.digest, older.digest)
    assert.deepEqual(disksOf(newer), [])
    assert.deepEqual(apply(newer, RAISE, named(1, 77)), ['raised', 'identified'])
    assert.deepEqual(disksOf(newer), [{ node: 1, disk: 77 }])
  })

  it('never fall back', () => {
    const machine = new CheckedMachine()
    apply(machine, { op: 'raise', level: FEATURE_LEVEL }, { op: 'raise', level: 1 })
    assert.equal(machine.level, FEATURE_LEVEL)
  })

  it('stop when the cluster has risen above what they know, in the log and in records', () => {
    const machine = new CheckedMachine()
    const above = { op: 'raise', level: FEATURE_LEVEL + 1 } as const
    assert.throws(() => apply(machine, above), { name: 'FeatureLevelError', message: /upgrade this node/ })
    const fields = [RECORD_FORMAT.levelled, 0, 1, 1, 1, 0, FEATURE_LEVEL + 1]
    assert.throws(() => Machine.restore([['m', fields]]), { name: 'FeatureLevelError' })
  })

  it('write records that the version before reads, as long as it may come back', () => {
    const machine = new CheckedMachine()
    const before = machine.beginCheckpoint().fields!
    assert.deepEqual([before[0], before.length], [RECORD_FORMAT.first, 6])
    while (machine.ledger.take(100).length > 0);
    apply(machine, RAISE)
    assert.deepEqual(machine.beginCheckpoint().fields!.slice(0, 1), [RECORD_FORMAT.levelled])
  })

  for (const level of [0, -1, 0.5, Number.NaN]) {
    it(`do not rise to ${level}`, () => {
      const machine = new CheckedMachine()
      assert.deepEqual(apply(machine, { op: 'raise', level }), ['UNSUPPORTED'])
    })
  }
})

describe('the disks of the nodes (fault 17)', () => {
  const machine = (): CheckedMachine => {
    const made = new CheckedMachine()
    apply(made, RAISE)
    return made
  }

  it('are named once: another disk under the same id is refused', () => {
    const cluster = machine()
    assert.deepEqual(apply(cluster, named(3, 77), named(3, 77), named(3, 78)), [
      'identified',
      'identified',
      'INVALID',
    ])
    assert.deepEqual(disksOf(cluster), [{ node: 3, disk: 77 }])
  })

  it('are forgotten with their member', () => {
    const cluster = machine()
    apply(cluster, named(3, 77), { op: 'forget', node: 3 })
    assert.deepEqual(disksOf(cluster), [])
  })

  it('have a revision that tells whether there is news', () => {
    const cluster = machine()
    const revisions = [named(3, 77), named(3, 77), { op: 'forget', node: 9 } as const].map((command) => {
      apply(cluster, command)
      return cluster.disks.revision
    })
    assert.deepEqual(revisions, [1, 1, 1])
  })

  it('are refused if they are none', () => {
    assert.deepEqual(apply(machine(), named(0, 1), named(1, 0), named(1, 2 ** 53)), [
      'INVALID',
      'INVALID',
      'INVALID',
    ])
  })
})
