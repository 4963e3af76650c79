import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Acquire, Command } from '../../src/machine/language/command.js'
import { utf8Bytes } from '../../src/machine/language/fields.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { checkCommand } from '../../src/machine/language/validate.js'
import { acquire, cancel, granted, keepAlive, machineWith, open, outcome, release } from './commands.js'

/** What a decoder could hand us from bytes of another version. */
function forged(command: object): Command {
  return command as Command
}

describe('12 a command that makes no sense is refused by value, at the door and in the machine alike', () => {
  const poison: readonly (readonly [string, Command, string])[] = [
    ['no names', acquire(1, { names: [] }), 'INVALID'],
    ['names that are none', forged({ ...acquire(1), names: 'door' }), 'INVALID'],
    ['a name that is a number', forged({ ...acquire(1), names: [7] }), 'INVALID'],
    ['an empty name', acquire(1, { names: [''] }), 'INVALID'],
    ['a name with NUL', acquire(1, { names: ['a\0b'] }), 'INVALID'],
    ['a name with a line end', acquire(1, { names: ['a\nb'] }), 'INVALID'],
    ['half a surrogate pair', acquire(1, { names: ['a\ud83d'] }), 'INVALID'],
    ['a name too long', acquire(1, { names: ['x'.repeat(LIMITS.nameBytesMax + 1)] }), 'LIMIT'],
    [
      'a name too long in bytes only',
      acquire(1, { names: ['é'.repeat(LIMITS.nameBytesMax / 2 + 1)] }),
      'LIMIT',
    ],
    ['the same name twice', acquire(1, { names: ['a', 'b', 'a'] }), 'INVALID'],
    ['too many names', acquire(1, { names: Array.from({ length: 65 }, (_, i) => `n${i}`) }), 'LIMIT'],
    ['a mode of a newer version', forged({ ...acquire(1), mode: { kind: 'future' } }), 'UNSUPPORTED'],
    ['no mode', forged({ ...acquire(1), mode: undefined }), 'UNSUPPORTED'],
    ['a negative wait', acquire(1, { waitMs: -1 }), 'INVALID'],
    ['a wait too long', acquire(1, { waitMs: LIMITS.waitMsMax + 1 }), 'INVALID'],
    ['a label too long', acquire(1, { label: 'x'.repeat(LIMITS.labelBytesMax + 1) }), 'LIMIT'],
    ['a label that moves the cursor', acquire(1, { label: '\u001b[2J' }), 'INVALID'],
    ['a slot beyond the last', acquire(1, { slot: LIMITS.slotsPerSessionMax }), 'INVALID'],
    ['a slot that is a half', acquire(1, { slot: 0.5 }), 'INVALID'],
    ['seq 0', acquire(1, { seq: 0 }), 'INVALID'],
    ['a seq beyond the safe integers', cancel(1, { seq: 2 ** 53 }), 'INVALID'],
    ['session 0', keepAlive(0), 'INVALID'],
    ['a session that is not a number', keepAlive(Number.NaN), 'INVALID'],
    ['a negative key', keepAlive(1, -1), 'INVALID'],
    ['token 0', release(1, 0), 'INVALID'],
    ['a TTL too short', open(7, LIMITS.ttlMsMin - 1), 'INVALID'],
    ['a TTL too long', open(7, LIMITS.ttlMsMax + 1), 'INVALID'],
    ['an unknown command', { op: 'unknown' }, 'UNSUPPORTED'],
    ['an operation of a newer version', forged({ op: 'teleport' }), 'UNSUPPORTED'],
  ]
  for (const [what, command, code] of poison) {
    it(what, () => {
      const machine = machineWith(1)
      assert.equal(outcome(machine.do(command)), code)
      assert.equal(checkCommand(command)?.code, code)
      assert.equal(machine.claims.nextId, 1)
    })
  }
})

describe('58 names that are strange but sound', () => {
  const longest = '€'.repeat(Math.floor(LIMITS.nameBytesMax / 3))
  for (const name of ['__proto__', 'constructor', 'toString', ' ', 'é', 'e\u0301', '🔒', longest]) {
    it(`${JSON.stringify(name).slice(0, 20)} is a name like any other`, () => {
      const machine = machineWith(1)
      assert.equal(machine.name(name), undefined)
      assert.deepEqual(machine.do(acquire(1, { names: [name] })), granted(1, 1))
      assert.equal([...machine.names('', '', 10).views][0]?.name, name)
    })
  }

  it('look alike and are different locks', () => {
    const machine = machineWith(1)
    machine.do(acquire(1, { names: ['é'] }))
    assert.deepEqual(machine.do(acquire(1, { slot: 1, names: ['e\u0301'] })), granted(2, 2))
  })

  it('are measured in bytes of UTF-8', () => {
    for (const text of ['', 'door', 'é', '€', '🔒', 'a€🔒é']) {
      assert.equal(utf8Bytes(text), Buffer.byteLength(text))
    }
  })
})

describe('limits', () => {
  it('agree among themselves', () => {
    const largestRequest = LIMITS.namesPerClaimMax * LIMITS.nameBytesMax + LIMITS.labelBytesMax
    assert.ok(largestRequest < LIMITS.requestBytesMax)
    assert.ok(LIMITS.requestBytesMax <= LIMITS.batchBytesMax)
    assert.ok(LIMITS.batchBytesMax < LIMITS.frameBytesMax)
    assert.ok(LIMITS.frameBytesMax < LIMITS.streamBufferBytesMax)
    assert.ok(LIMITS.slotsPerSessionMax <= LIMITS.claimsPerSessionMax)
    assert.ok(LIMITS.claimsPerNameMax <= LIMITS.claimsMax)
  })

  it('58 one name takes 131,072 claims and refuses the next with the number, until one leaves', () => {
    const machine = machineWith(4)
    const last = LIMITS.claimsPerNameMax - 1
    const crowd = (session: number, count: number): Acquire[] =>
      Array.from({ length: count }, (_, slot) => acquire(session, { slot }))
    const sessions = [1, 2].flatMap((session) => crowd(session, LIMITS.claimsPerNameMax / 2))
    machine.apply({ at: 1_000, commands: sessions })
    assert.equal(machine.name('door')?.waiterCount, last)
    const refused = machine.do(acquire(3))
    assert.equal(outcome(refused), 'LIMIT')
    assert.match(refused.kind === 'refused' ? refused.message : '', /131072/)
    machine.do(release(1, 1, { slot: 65_536 }))
    assert.equal(outcome(machine.do(acquire(3))), 'LIMIT', 'a repeated request has one answer')
    assert.equal(outcome(machine.do(acquire(3, { seq: 2 }))), 'queued')
  })

  it('58 one session holds no more than its share', () => {
    const machine = machineWith(1)
    const commands = Array.from({ length: LIMITS.claimsPerSessionMax + 1 }, (_, i) =>
      acquire(1, { seq: i + 1, names: [`n${i}`] }),
    )
    const { verdicts } = machine.apply({ at: 1_000, commands })
    assert.equal(outcome(verdicts.at(-2)), 'granted')
    assert.equal(outcome(verdicts.at(-1)), 'LIMIT')
  })
})

describe('the clock of the log', () => {
  it('never goes back: the machine stops rather than go on', () => {
    const machine = machineWith(1)
    assert.throws(() => machine.pass(999), /never goes back/)
    assert.throws(() => machine.pass(Number.NaN), /never goes back/)
  })
})
