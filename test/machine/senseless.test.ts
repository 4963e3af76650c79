import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire, Command, Succession, Terms } from '../../src/machine/language/command.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { checkCommand } from '../../src/machine/language/validate.js'
import { acquire, machineWith, newestMachineWith, outcome, release, SHARED, terms } from './commands.js'

const MEMBER = { kind: 'member' } as const
const WHO = { session: 1, key: 101, slot: 0, seq: 1 }

function on(values: Partial<Terms>, rest: Partial<Acquire> = {}): Acquire {
  return acquire(1, { terms: terms(values), ...rest })
}

function permits(count: number, of: number, rest: Partial<Acquire> = {}): Acquire {
  return acquire(1, { mode: { kind: 'permits', permits: count, of }, ...rest })
}

function leaving(succession: Partial<Succession>): Command {
  return release(1, 1, { succession: { heir: 0, restMs: 0, result: undefined, ...succession } })
}

/** What a decoder could hand us from bytes of another version. */
function forged(command: object): Command {
  return command as Command
}

const two = { names: ['a', 'b'] }
const tooLong = LIMITS.remainMsMax + 1
const large = 'x'.repeat(LIMITS.dataBytesMax + 1)
const label = 'x'.repeat(LIMITS.labelBytesMax + 1)

describe('12 ways to coordinate that make no sense are refused by value, at the door and in the machine alike', () => {
  const poison: readonly (readonly [string, Command, string])[] = [
    ['no permits', permits(0, 3), 'INVALID'],
    ['half a permit', permits(0.5, 3), 'INVALID'],
    ['more permits than there are', permits(4, 3), 'INVALID'],
    ['more permits than one claim may have', permits(LIMITS.permitsPerClaimMax + 1, 60_000), 'INVALID'],
    ['a semaphore of nothing', permits(1, 0), 'INVALID'],
    ['a semaphore too large', permits(1, LIMITS.capacityMax + 1), 'INVALID'],
    ['a semaphore of no number', permits(1, Number.NaN), 'INVALID'],
    ['permits of two semaphores', permits(1, 3, two), 'INVALID'],
    ['a member of two groups', acquire(1, { mode: MEMBER, ...two }), 'INVALID'],
    ['a member who waits', acquire(1, { mode: MEMBER, waitMs: 5 }), 'INVALID'],
    ['a member who waits, on terms', on({ data: 'd' }, { mode: MEMBER, waitMs: 0 }), 'INVALID'],
    ['a member with a priority', on({ priority: 1 }, { mode: MEMBER }), 'INVALID'],
    ['a member with an owner', on({ owner: 'p' }, { mode: MEMBER }), 'INVALID'],
    ['a member that leaves a lock-delay', on({ lockDelayMs: 1 }, { mode: MEMBER }), 'INVALID'],
    ['a member with a minimum hold', on({ minHoldMs: 1 }, { mode: MEMBER }), 'INVALID'],
    ['a member that steals', on({ steal: true }, { mode: MEMBER }), 'INVALID'],
    ['a member that upgrades', on({ upgrades: 1 }, { mode: MEMBER }), 'INVALID'],
    ['a member that is done once', on({ fingerprint: 'f' }, { mode: MEMBER }), 'INVALID'],
    ['a reentrant member', on({ reentrant: true, owner: 'p' }, { mode: MEMBER }), 'INVALID'],
    ['a reentrant claim of nobody', on({ reentrant: true }), 'INVALID'],
    ['a reentrant semaphore', permits(1, 3, { terms: terms({ reentrant: true, owner: 'p' }) }), 'INVALID'],
    ['a reentrant theft', on({ reentrant: true, owner: 'p', steal: true }), 'INVALID'],
    ['a reentrant upgrade', on({ reentrant: true, owner: 'p', upgrades: 1 }), 'INVALID'],
    ['reentrant work done once', on({ reentrant: true, owner: 'p', fingerprint: 'f' }), 'INVALID'],
    ['a reader that steals', on({ steal: true }, { mode: SHARED }), 'INVALID'],
    ['a semaphore that is stolen', permits(1, 3, { terms: terms({ steal: true }) }), 'INVALID'],
    ['an upgrade to shared', on({ upgrades: 1 }, { mode: SHARED }), 'INVALID'],
    ['an upgrade to permits', permits(1, 3, { terms: terms({ upgrades: 1 }) }), 'INVALID'],
    ['an upgrade by theft', on({ upgrades: 1, steal: true }), 'INVALID'],
    ['an upgrade of token -1', on({ upgrades: -1 }), 'INVALID'],
    ['shared work done once', on({ fingerprint: 'f' }, { mode: SHARED }), 'INVALID'],
    ['permits of work done once', permits(1, 3, { terms: terms({ fingerprint: 'f' }) }), 'INVALID'],
    ['work done once under two keys', on({ fingerprint: 'f' }, two), 'INVALID'],
    ['work done once and stolen', on({ fingerprint: 'f', steal: true }), 'INVALID'],
    ['work done once and upgraded', on({ fingerprint: 'f', upgrades: 1 }), 'INVALID'],
    ['a priority below 0', on({ priority: -1 }), 'INVALID'],
    ['a priority too great', on({ priority: LIMITS.priorityMax + 1 }), 'INVALID'],
    ['a lock-delay too long', on({ lockDelayMs: tooLong }), 'INVALID'],
    ['a negative lock-delay', on({ lockDelayMs: -1 }), 'INVALID'],
    ['a minimum hold too long', on({ minHoldMs: tooLong }), 'INVALID'],
    ['a negative minimum hold', on({ minHoldMs: -1 }), 'INVALID'],
    ['an owner with a line end', on({ owner: 'a\nb' }), 'INVALID'],
    ['an owner too long', on({ owner: label }), 'LIMIT'],
    ['a fingerprint with NUL', on({ fingerprint: 'a\0b' }), 'INVALID'],
    ['a fingerprint too long', on({ fingerprint: label }), 'LIMIT'],
    ['data that are too large', on({ data: large }), 'LIMIT'],
    ['data that are no text', on({ data: 'a\ud83d' }), 'INVALID'],
    ['data that are a number', forged(on({ data: 7 as never })), 'INVALID'],
    ['steal that is neither true nor false', forged(on({ steal: 'yes' as never })), 'INVALID'],
    ['reentrant that is neither', forged(on({ reentrant: 1 as never, owner: 'p' })), 'INVALID'],
    ['an heir below 0', leaving({ heir: -1 }), 'INVALID'],
    ['a rest too long', leaving({ restMs: tooLong }), 'INVALID'],
    ['a negative rest', leaving({ restMs: -1 }), 'INVALID'],
    ['a result too large', leaving({ result: { data: large, keepMs: 1 } }), 'LIMIT'],
    ['a result kept for no time', leaving({ result: { data: '', keepMs: 0 } }), 'INVALID'],
    ['a result kept too long', leaving({ result: { data: '', keepMs: tooLong } }), 'INVALID'],
    ['an update of token 0', { op: 'update', ...WHO, token: 0, data: '' }, 'INVALID'],
    ['an update too large', { op: 'update', ...WHO, token: 1, data: large }, 'LIMIT'],
    ['a downgrade of token 0', { op: 'downgrade', ...WHO, token: 0 }, 'INVALID'],
    ['force on no name', { op: 'forceRelease', ...WHO, name: '', note: '', token: 0 }, 'INVALID'],
    ['force on token -1', { op: 'forceRelease', ...WHO, name: 'a', note: '', token: -1 }, 'INVALID'],
    ['a note too long', { op: 'requestRelease', ...WHO, name: 'a', note: label, token: 0 }, 'LIMIT'],
    ['a note that moves the cursor', { op: 'resume', ...WHO, name: 'a', note: '\u001b' }, 'INVALID'],
    ['a suspension of no time', { op: 'suspend', ...WHO, name: 'a', note: '', forMs: 0 }, 'INVALID'],
    ['a suspension too long', { op: 'suspend', ...WHO, name: 'a', note: '', forMs: tooLong }, 'INVALID'],
    ['slot -1', { op: 'suspend', ...WHO, slot: -1, name: 'a', note: '', forMs: 1 }, 'INVALID'],
  ]
  for (const [what, command, code] of poison) {
    it(what, () => {
      const machine = newestMachineWith(1)
      const { changes } = machine.apply({ at: 1_000, commands: [acquire(1, { names: ['held'], slot: 9 })] })
      assert.equal(changes.length, 1)
      assert.equal(outcome(machine.do(command)), code)
      assert.equal(checkCommand(command)?.code, code)
      assert.deepEqual([machine.claims.nextId, machine.remains.size, machine.revision], [2, 0, 1])
    })
  }
})

describe('what nobody below its feature level has heard of', () => {
  const unheardOf: readonly Command[] = [
    acquire(1, { mode: SHARED }),
    acquire(1, { mode: MEMBER }),
    permits(1, 3),
    on({}),
    leaving({}),
    { op: 'update', ...WHO, token: 1, data: '' },
    { op: 'downgrade', ...WHO, token: 1 },
    { op: 'forceRelease', ...WHO, name: 'a', note: '', token: 0 },
    { op: 'requestRelease', ...WHO, name: 'a', note: '', token: 0 },
    { op: 'suspend', ...WHO, name: 'a', note: '', forMs: undefined },
    { op: 'resume', ...WHO, name: 'a', note: '' },
  ]
  for (const level of [0, 1]) {
    it(`is UNSUPPORTED on level ${level}, leaves no answer behind, and nothing is counted`, () => {
      const machine = newestMachineWith(0)
      const old = machineWith(1)
      if (level > 0) old.do({ op: 'raise', level })
      for (const command of unheardOf) {
        assert.notEqual(outcome(machine.do(command)), 'UNSUPPORTED')
        assert.equal(outcome(old.do(command)), 'UNSUPPORTED', command.op)
      }
      assert.equal(old.sessions.get(1)!.slots.size, 0)
      assert.deepEqual(old.apply({ at: 1_000, commands: [acquire(1)] }).changes, [])
      assert.equal(old.revision, 0)
    })
  }
})
