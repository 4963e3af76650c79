import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import { checkCommand } from '../../src/machine/language/validate.js'
import { Machine } from '../../src/machine/machine.js'
import { hashOf } from '../../src/machine/request-hash.js'
import type { Request } from '../../src/machine/requests.js'
import {
  acquire,
  type CheckedMachine,
  cancel,
  granted,
  machineWith,
  newestMachineWith,
  outcome,
  queued,
  release,
  SHARED,
  terms,
} from './commands.js'

describe('a request with the newest seq of its slot', () => {
  it('46 has the same token and one effect', () => {
    const machine = machineWith(1)
    assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
    assert.deepEqual(machine.do(acquire(1), 5_000), granted(1, 1))
    assert.equal(machine.claims.size, 1)
    assert.equal(machine.claims.nextToken, 2)
  })

  it('is queued once, and finds its grant when it asks again', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    assert.deepEqual(machine.do(acquire(2)), queued(2))
    assert.deepEqual(machine.do(acquire(2)), queued(2))
    machine.do(release(1, 1))
    assert.deepEqual(machine.do(acquire(2)), granted(2, 2))
  })

  it('keeps the wait limit of the first time, and finds that it passed', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 500 }), 1_000)
    machine.do(acquire(2, { waitMs: 500 }), 1_400)
    assert.equal(outcome(machine.do(acquire(2, { waitMs: 500 }), 1_500)), 'TIMEOUT')
    machine.do(release(1, 1))
    assert.equal(outcome(machine.do(acquire(2, { waitMs: 500 }))), 'TIMEOUT')
  })

  it('does not take again what was released through another slot', () => {
    const machine = machineWith(1)
    machine.do(acquire(1))
    machine.do(release(1, 1))
    assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
    assert.equal(machine.name('door'), undefined)
  })
})

describe('a request with another seq', () => {
  it('that is lower is stale, and has no effect', () => {
    const machine = machineWith(1)
    machine.do(acquire(1, { seq: 7 }))
    machine.do(release(1, 1, { slot: 0, seq: 8 }))
    assert.equal(outcome(machine.do(acquire(1, { seq: 7 }))), 'STALE_REQUEST')
    assert.equal(machine.name('door'), undefined)
  })

  it('that is higher is refused while the acquire of the slot still waits, and nothing is lost', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    for (const early of [acquire(2, { seq: 2 }), release(2, 1, { slot: 0, seq: 2 }), cancel(2, { seq: 2 })]) {
      assert.equal(outcome(machine.do(early)), 'INVALID')
    }
    machine.do(release(1, 1))
    assert.deepEqual(machine.do(acquire(2)), granted(2, 2))
    assert.deepEqual(machine.do(acquire(2, { seq: 2 })), queued(3))
  })
})

describe('cancel', () => {
  it('takes back a claim that waits', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 500 }))
    const { verdicts, events } = machine.apply({ at: 1_100, commands: [cancel(2), cancel(2)] })
    assert.deepEqual(verdicts, [{ kind: 'cancelled' }, { kind: 'cancelled' }])
    assert.deepEqual(
      events.map((event) => event.kind === 'decided' && [event.claim, outcome(event.outcome)]),
      [[2, 'CANCELLED']],
    )
    assert.equal(outcome(machine.do(acquire(2))), 'CANCELLED')
    assert.equal(machine.name('door')?.waiterCount, 0)
  })

  it('takes back a claim that was granted meanwhile, and leaves nothing behind', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    machine.do(cancel(1))
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
    assert.equal(outcome(machine.do(acquire(1))), 'CANCELLED')
    assert.equal(machine.session(1)?.claimCount, 0)
  })

  it('that overtakes its acquire is found by it', () => {
    const machine = machineWith(1)
    assert.equal(outcome(machine.do(cancel(1))), 'cancelled')
    assert.equal(outcome(machine.do(acquire(1))), 'CANCELLED')
    assert.equal(machine.name('door'), undefined)
    assert.deepEqual(machine.do(acquire(1, { seq: 2 })), granted(1, 1))
  })

  it('of a request the slot has left behind has no effect', () => {
    const machine = machineWith(1)
    machine.do(acquire(1))
    machine.do(acquire(1, { seq: 2, names: ['gate'] }))
    assert.equal(outcome(machine.do(cancel(1))), 'cancelled')
    assert.equal(machine.session(1)?.claimCount, 2)
  })

  it('after a release through another slot touches no later holder', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2))
    machine.do(release(1, 1))
    assert.equal(outcome(machine.do(cancel(1))), 'cancelled')
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })

  it('of a release or of a refused acquire changes nothing', () => {
    const machine = machineWith(2)
    machine.do(acquire(1))
    machine.do(acquire(2, { waitMs: 0 }))
    assert.equal(outcome(machine.do(cancel(2))), 'cancelled')
    assert.equal(outcome(machine.do(acquire(2, { waitMs: 0 }))), 'TIMEOUT')
    machine.do(release(1, 1))
    machine.do(cancel(1, { slot: 1 }))
    assert.equal(outcome(machine.do(release(1, 1))), 'released')
  })
})

/** The machine as a node has it that was restarted. */
function restarted(machine: CheckedMachine): Machine {
  const records = [machine.beginCheckpoint(), ...machine.ledger.take(Infinity)]
  return Machine.restore(records.map(({ key, fields }) => [key, fields!] as const))
}

describe('every reply is remembered', () => {
  it('also that a newer version alone knows the request: it is not granted when the version has come', () => {
    const machine = newestMachineWith(1)
    const early: Command = { op: 'unknownRequest', session: 1, key: 101, slot: 0, seq: 1 }
    assert.equal(outcome(machine.do(early)), 'UNSUPPORTED')
    assert.equal(outcome(machine.do(acquire(1))), 'UNSUPPORTED')
    assert.equal(machine.name('door'), undefined)
    assert.deepEqual(machine.do(acquire(1, { seq: 2 })), granted(1, 1))
  })

  it('also that the slot was busy: what was refused so is not performed when the slot is free again', () => {
    for (const early of [acquire(2, { seq: 2 }), release(2, 1, { slot: 0, seq: 2 }), cancel(2, { seq: 2 })]) {
      const machine = newestMachineWith(2)
      machine.do(acquire(1))
      machine.do(acquire(2))
      assert.equal(outcome(machine.do(early)), 'INVALID')
      machine.do(release(1, 1))
      const after = [machine, restarted(machine)]
      for (const each of after)
        assert.equal(outcome(each.apply({ at: each.at, commands: [early] }).verdicts[0]), 'INVALID')
      assert.deepEqual(machine.do(acquire(2, { seq: 3, names: ['gate'] })), granted(3, 3))
      assert.equal(outcome(machine.do(early)), early.op === 'cancel' ? 'cancelled' : 'STALE_REQUEST')
    }
  })

  it('also that the request makes no sense', () => {
    const machine = newestMachineWith(1)
    const senseless = acquire(1, { names: [] })
    assert.equal(outcome(checkCommand(senseless)), 'INVALID')
    assert.equal(outcome(machine.do(senseless)), 'INVALID')
    assert.equal(outcome(machine.do(acquire(1))), 'INVALID')
    assert.equal(machine.name('door'), undefined)
  })

  it('but of numbers that make no sense, which have no slot, and are refused whenever they come', () => {
    const machine = newestMachineWith(1)
    for (const numbers of [{ slot: -1 }, { slot: 0.5 }, { seq: 0 }, { seq: Number.NaN }])
      for (const _ of 'twice') assert.equal(outcome(machine.do(acquire(1, numbers))), 'INVALID')
    assert.equal(machine.sessions.get(1)!.slots.size, 0)
  })
})

describe('another request with the numbers of the newest', () => {
  const other: readonly (readonly [string, Command])[] = [
    ['name', acquire(1, { names: ['gate'] })],
    ['count of names', acquire(1, { names: ['door', 'gate'] })],
    ['mode', acquire(1, { mode: SHARED })],
    ['wait limit', acquire(1, { waitMs: 5 })],
    ['label', acquire(1, { label: 'x' })],
    ['owner', acquire(1, { terms: terms({ owner: 'p' }) })],
    ['operation', release(1, 1, { slot: 0, seq: 1 })],
  ]
  for (const [what, request] of other) {
    it(`is refused: another ${what}`, () => {
      const machine = newestMachineWith(1)
      assert.deepEqual(machine.do(acquire(1)), granted(1, 1))
      for (const each of [machine, restarted(machine)]) {
        const { verdicts } = each.apply({ at: each.at, commands: [request, acquire(1)] })
        assert.deepEqual(verdicts.map(outcome), ['INVALID', 'granted'])
        assert.match(JSON.stringify(verdicts[0]), /another request was sent with this slot and seq/)
      }
      assert.equal(machine.name('door')?.holderCount, 1)
      assert.equal(machine.name('gate'), undefined)
    })
  }

  it('is told from it by every field, of every operation', () => {
    const by = { session: 1, key: 101, slot: 0, seq: 1 } as const
    const all: Command[] = [
      ...[1, 2 ** 32 + 1].map((token): Command => ({ op: 'release', ...by, token })),
      release(1, 1, { ...by, succession: { heir: 0, restMs: 0, result: undefined } }),
      release(1, 1, { ...by, succession: { heir: 0, restMs: 5, result: undefined } }),
      release(1, 1, { ...by, succession: { heir: 5, restMs: 0, result: undefined } }),
      release(1, 1, { ...by, succession: { heir: 0, restMs: 0, result: { data: '', keepMs: 1 } } }),
      release(1, 1, { ...by, succession: { heir: 0, restMs: 0, result: { data: 'd', keepMs: 1 } } }),
      ...['', 'd'].map((data): Command => ({ op: 'update', ...by, token: 1, data })),
      { op: 'downgrade', ...by, token: 1 },
      ...(['forceRelease', 'requestRelease'] as const).flatMap((op): Command[] => [
        { op, ...by, name: 'a', note: 'b', token: 0 },
        { op, ...by, name: 'a', note: 'b', token: 1 },
        { op, ...by, name: 'b', note: 'a', token: 0 },
      ]),
      ...[undefined, 1].map((forMs): Command => ({ op: 'suspend', ...by, name: 'a', note: 'b', forMs })),
      ...['b', 'c'].map((note): Command => ({ op: 'resume', ...by, name: 'a', note })),
      ...[1, 2].map((permits): Command => acquire(1, { mode: { kind: 'permits', permits, of: 2 } })),
      acquire(1, { names: ['ab', 'c'] }),
      acquire(1, { names: ['a', 'bc'] }),
      ...(
        [
          { data: 'd' },
          { owner: 'd' },
          { reentrant: true, owner: 'd' },
          { priority: 1 },
          { steal: true },
          { upgrades: 1 },
          { lockDelayMs: 1 },
          { minHoldMs: 1 },
          { fingerprint: '' },
          { fingerprint: 'd' },
        ] as const
      ).map((each) => acquire(1, { terms: terms(each) })),
    ]
    const hashes = all.map((command) => hashOf(command as Request))
    assert.equal(new Set(hashes).size, all.length)
    assert.ok(hashes.every((hash) => hash !== 0 && hash === (hash | 0)))
  })

  it('is not what a cancellation finds: late or early, it is of whatever request has its numbers', () => {
    const machine = newestMachineWith(1)
    machine.do(cancel(1))
    for (const late of [acquire(1), acquire(1, { names: ['gate'] })])
      assert.equal(outcome(machine.do(late)), 'CANCELLED')
    machine.do(acquire(1, { seq: 2 }))
    machine.do(cancel(1, { seq: 2 }))
    assert.equal(outcome(machine.do(acquire(1, { seq: 2 }))), 'CANCELLED')
    assert.equal(outcome(machine.do(acquire(1, { seq: 2, names: ['gate'] }))), 'INVALID')
  })

  it('is taken for the newest as before, while an older version takes part', () => {
    const machine = newestMachineWith(1, 3)
    machine.do(acquire(1))
    assert.deepEqual(machine.do(acquire(1, { names: ['gate'] })), granted(1, 1))
    assert.equal(
      outcome(machine.do({ op: 'unknownRequest', session: 1, key: 101, slot: 5, seq: 1 })),
      'UNSUPPORTED',
    )
    assert.deepEqual(machine.do(acquire(1, { slot: 5, names: ['gate'] })), granted(2, 2))
    machine.beginCheckpoint()
    const slots = machine.ledger.take(Infinity).filter(({ key }) => key.startsWith('r'))
    assert.deepEqual(
      slots.map(({ fields: written }) => written?.length),
      [4, 4],
    )
  })
})
