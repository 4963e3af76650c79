import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { firstTokenAt } from '../../src/machine/incarnation.js'
import type { Command, Verdict } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'

const KEY = 7
const BACKUP_MS = Date.UTC(2026, 10, 30)
const DAY_MS = 86_400_000

function only(machine: Machine, at: number, command: Command): Verdict {
  return machine.apply({ at, commands: [command] }).verdicts[0]!
}

function begin(machine: Machine, wallMs: number, incarnation = 99): Verdict {
  return only(machine, machine.at, { op: 'begin', incarnation, wallMs })
}

/** A session that opens, takes a lock and gives its numbers. */
function enter(
  machine: Machine,
  at: number,
  name: string,
): { session: number; claim: number; token: number } {
  const opened = only(machine, at, { op: 'open', key: KEY, ttlMs: 1_000, label: '' })
  assert.equal(opened.kind, 'opened')
  const { session } = opened as Extract<Verdict, { kind: 'opened' }>
  const who = { session, key: KEY, slot: 0, seq: 1 }
  const mode = { kind: 'exclusive' } as const
  const granted = only(machine, at, { op: 'acquire', ...who, names: [name], mode, waitMs: 0, label: '' })
  assert.equal(granted.kind, 'granted')
  const { claim, token } = granted as Extract<Verdict, { kind: 'granted' }>
  return { session, claim, token }
}

/** Through records, as a node that is restored makes it. */
function recorded(machine: Machine): Machine {
  const changes = [machine.beginCheckpoint(), ...machine.ledger.take(100)]
  return Machine.restore(changes.map(({ key, fields }) => [key, fields!] as const))
}

function restored(machine: Machine, takenAtMs = BACKUP_MS): Machine {
  return recorded(machine.successor(takenAtMs))
}

/** A machine of a cluster that has granted so many locks. */
function granting(count: number): Machine {
  const machine = new Machine()
  only(machine, 0, { op: 'raise', level: FEATURE_LEVEL })
  begin(machine, BACKUP_MS - DAY_MS, 1)
  for (let k = 0; k < count; k++) enter(machine, 2_000 * k, 'a')
  return machine
}

describe('a machine that goes on from a backup', () => {
  it('gives no number out again, though the old one went on (faults 32, 42)', () => {
    const old = granting(1)
    const successor = restored(old)
    let newest = enter(old, 5_000, 'b')
    for (let k = 0; k < 1_000; k++) newest = enter(old, 5_000 * (k + 2), 'c')
    begin(successor, BACKUP_MS + 1)
    const first = enter(successor, 10_000, 'a')
    for (const number of ['session', 'claim', 'token'] as const)
      assert.ok(first[number] > newest[number], number)
  })

  it('gives tokens out that are greater than those of the restores before it, of whatever backups, in whatever order', () => {
    const restore = fc.record({
      /** Which of the clusters so far it is a backup of. */
      of: fc.nat(),
      grants: fc.integer({ min: 0, max: 20 }),
      pauseMs: fc.integer({ min: 1, max: DAY_MS }),
    })
    fc.assert(
      fc.property(fc.array(restore, { minLength: 2, maxLength: 12 }), (restores) => {
        const clusters = [{ machine: granting(3), takenAtMs: BACKUP_MS }]
        let newest = enter(clusters[0]!.machine, 10_000, 'a').token
        let wallMs = BACKUP_MS
        for (const { of, grants, pauseMs } of restores) {
          wallMs += pauseMs
          const { machine: backup, takenAtMs } = clusters[of % clusters.length]!
          const machine = restored(backup, takenAtMs)
          assert.equal(begin(machine, wallMs).kind, 'begun')
          for (let k = 0; k < grants; k++) {
            const { token } = enter(machine, machine.at + 2_000, 'a')
            assert.ok(token > newest, `${token} after ${newest}`)
            newest = token
          }
          clusters.push({ machine: recorded(machine), takenAtMs: wallMs })
        }
      }),
    )
  })

  it('stays behind the next restore with a million grants a second, without a pause', () => {
    assert.ok(firstTokenAt(BACKUP_MS) + 1_000_000 <= firstTokenAt(BACKUP_MS + 1_000))
    assert.ok(Number.isSafeInteger(firstTokenAt(Date.UTC(2298, 0, 1))))
  })

  it('grants nothing before it is told its incarnation, and takes the first one that it is told', () => {
    const successor = restored(granting(1))
    const refused = only(successor, successor.at, { op: 'open', key: KEY, ttlMs: 1_000, label: '' })
    assert.deepEqual([refused.kind, 'code' in refused && refused.code], ['refused', 'BUSY'])
    assert.equal(begin(successor, BACKUP_MS + 5, 11).kind, 'begun')
    assert.equal(begin(successor, BACKUP_MS + DAY_MS, 12).kind, 'begun')
    assert.equal(successor.incarnation.number, 11)
    assert.equal(enter(successor, successor.at, 'a').token, firstTokenAt(BACKUP_MS + 5))
  })

  it('keeps waiting for it, and then its incarnation, in records', () => {
    const successor = recorded(restored(granting(1)))
    assert.ok(successor.incarnation.isAwaited)
    begin(successor, BACKUP_MS + 5, 11)
    const again = recorded(successor)
    assert.deepEqual([again.incarnation.number, again.incarnation.isAwaited], [11, false])
    assert.equal(again.claims.nextToken, firstTokenAt(BACKUP_MS + 5))
  })

  it('does not begin by a clock that is behind the backup, or behind the tokens that it knows of', () => {
    const lately = restored(granting(1), BACKUP_MS)
    assert.equal(begin(lately, BACKUP_MS).kind, 'refused')
    assert.equal(lately.incarnation.earliestMs, BACKUP_MS + 1)
    const ahead = restored(granting(1))
    begin(ahead, BACKUP_MS + DAY_MS)
    enter(ahead, ahead.at, 'a')
    for (const machine of [restored(ahead, BACKUP_MS), restored(restored(ahead, BACKUP_MS), BACKUP_MS)]) {
      assert.equal(begin(machine, BACKUP_MS + DAY_MS).kind, 'refused')
      assert.equal(begin(machine, BACKUP_MS + DAY_MS + 1).kind, 'begun')
    }
  })

  it('has no sessions and no claims, and the same clock; who comes from before has expired', () => {
    const old = granting(1)
    const { session } = enter(old, 1_234, 'a')
    const successor = restored(old)
    assert.equal(successor.at, 1_234)
    begin(successor, BACKUP_MS + 1)
    assert.equal(successor.sessions.size + successor.claims.size, 0)
    assert.equal(successor.name('a'), undefined)
    for (const known of [session, session + 1_000_000]) {
      const verdict = only(successor, 1_300, { op: 'keepAlive', session: known, key: KEY })
      assert.deepEqual([verdict.kind, 'code' in verdict && verdict.code], ['refused', 'SESSION_EXPIRED'])
    }
  })

  it('counts changes from where no watcher of the old one has been', () => {
    const old = granting(1)
    const successor = restored(old)
    for (let k = 0; k < 1_000; k++) enter(old, 5_000 * (k + 1), 'c')
    begin(successor, BACKUP_MS + 1)
    assert.ok(successor.revision > old.revision)
  })

  it('says the same on every node, and something else in another incarnation, or of another backup', () => {
    const old = granting(1)
    const digest = (machine: Machine, incarnation: number, wallMs = BACKUP_MS + 1) => {
      begin(machine, wallMs, incarnation)
      return machine.digest
    }
    const known = digest(restored(old), 1)
    assert.equal(digest(restored(old), 1), known)
    assert.notEqual(digest(restored(old), 2), known)
    assert.notEqual(digest(restored(old, BACKUP_MS - 1), 1), known)
    assert.notEqual(restored(granting(2)).digest, restored(old).digest)
  })
})

describe('a cluster that is founded', () => {
  it('has one incarnation, from the feature level on that knows it, and begins with token 1', () => {
    const machine = new Machine()
    assert.deepEqual(begin(machine, BACKUP_MS, 5).kind, 'refused')
    assert.equal(machine.incarnation.number, 0)
    only(machine, 0, { op: 'raise', level: FEATURE_LEVEL })
    begin(machine, BACKUP_MS, 5)
    begin(machine, BACKUP_MS, 6)
    assert.equal(machine.incarnation.number, 5)
    assert.equal(enter(machine, 10, 'a').token, 1)
  })
})
