import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command } from '../../src/machine/language/command.js'
import type { Applied } from '../../src/machine/machine.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { acquire, CheckedMachine, close, open, outcome, release, SHARED, terms } from './commands.js'

/** What one batch does here of what is due: few names, so that stories are short. */
const WORK_MAX = 4

/** Sessions 1 to 3, each with a TTL of ten seconds, at 1,000 ms; the first holds the locks `n0` to `n9`. */
function loaded(): CheckedMachine {
  const machine = new CheckedMachine(WORK_MAX)
  const locks = Array.from({ length: 10 }, (_, slot) => acquire(1, { slot, names: [`n${slot}`] }))
  machine.apply({
    at: 1_000,
    commands: [{ op: 'raise', level: FEATURE_LEVEL }, open(101), open(102, 60_000), open(103, 60_000)],
  })
  machine.apply({ at: 1_000, commands: locks })
  return machine
}

function leftIn({ changes }: Applied): string[] {
  return changes.filter(({ kind }) => kind === 'left').map(({ name }) => name)
}

function endedIn({ events }: Applied): number[] {
  return events.flatMap((event) => (event.kind === 'sessionEnded' ? [event.session] : []))
}

/** Batches without commands, until nothing is left to do. Returns how many. */
function drain(machine: Machine): number {
  for (let count = 0; ; count++) {
    if (!machine.hasWorkLeft) return count
    machine.apply({ at: machine.at, commands: [] })
  }
}

describe('a session that expires with much', () => {
  it('ends at that very millisecond, and gives up what it held in batches of so many', () => {
    const machine = loaded()
    assert.deepEqual(endedIn(machine.pass(10_999)), [])
    const applied = machine.pass(11_000)
    assert.deepEqual(endedIn(applied), [1])
    assert.deepEqual(leftIn(applied), ['n0', 'n1', 'n2'])
    assert.equal(machine.session(1), undefined)
    assert.equal(outcome(machine.do({ op: 'keepAlive', session: 1, key: 101 })), 'SESSION_EXPIRED')
    assert.equal(machine.nextDeadline(), machine.at)
    drain(machine)
    assert.equal(machine.claims.size, 0)
    assert.equal(machine.sessions.get(1), undefined)
    assert.equal(machine.nextDeadline(), 61_000)
  })

  it('keeps nobody who asks for one of its locks from it, before its turn has come', () => {
    const machine = loaded()
    machine.pass(11_000)
    assert.equal(outcome(machine.do(acquire(2, { names: ['n9'], waitMs: 0 }))), 'granted')
    drain(machine)
    assert.equal(machine.name('n9')?.holders[0]?.session, 2)
  })

  it('is over for everybody at once, also if more sessions are due than one batch ends', () => {
    const machine = new CheckedMachine(WORK_MAX)
    const keys = Array.from({ length: 20 }, (_, k) => 101 + k)
    machine.apply({
      at: 1,
      commands: [{ op: 'raise', level: FEATURE_LEVEL }, ...keys.map((key) => open(key, 1_000))],
    })
    const applied = machine.pass(1_001)
    assert.deepEqual(endedIn(applied), [1, 2])
    assert.equal(machine.session(20), undefined)
    assert.deepEqual([...machine.listSessions(0, 100).views], [])
    assert.equal(outcome(machine.do(acquire(20))), 'SESSION_EXPIRED')
    assert.deepEqual(machine.do(open(120)), { kind: 'opened', session: 21, ttlMs: 10_000 })
    drain(machine)
    assert.equal(machine.sessions.size, 1)
    assert.equal(machine.sessions.withKey(120)?.id, 21)
  })

  it('is granted nothing any more, though its claim waits yet (fault 45)', () => {
    const machine = loaded()
    const waits = acquire(1, { slot: 50, names: ['theirs'] })
    machine.apply({
      at: 1_000,
      commands: [acquire(2, { names: ['theirs'] }), waits, acquire(3, { names: ['theirs'] })],
    })
    machine.pass(11_000)
    assert.ok(machine.hasWorkLeft)
    const token = machine.name('theirs')!.holders[0]!.token!
    machine.do(release(2, token))
    assert.equal(machine.name('theirs')?.holders[0]?.session, 3)
  })

  it('is no reason to speak of a deadlock: it waits for nobody any more, and lets go of all it has', () => {
    const machine = loaded()
    const readers = Array.from({ length: 2 * WORK_MAX }, (_, k) =>
      acquire(1, { slot: 50 + k, names: ['read'], mode: SHARED, terms: terms({ owner: 'a' }) }),
    )
    const asked = { terms: terms({ owner: 'b' }) }
    machine.apply({ at: 1_000, commands: [acquire(2, { names: ['theirs'], ...asked }), ...readers] })
    machine.do(acquire(1, { slot: 70, names: ['theirs'], terms: terms({ owner: 'a' }) }))
    machine.pass(11_000)
    assert.equal(outcome(machine.do(acquire(2, { slot: 1, names: ['read'], ...asked }))), 'queued')
    drain(machine)
    assert.equal(machine.name('read')?.holders[0]?.session, 2)
  })

  it('goes on in the same steps where a checkpoint was made in the midst of it', () => {
    const machine = loaded()
    machine.apply({ at: 1_000, commands: [acquire(2, { names: ['n8'] }), acquire(3, { names: ['n8'] })] })
    machine.pass(11_000)
    const records = [machine.beginCheckpoint(), ...machine.ledger.take(Infinity)]
    const twin = Machine.restore(
      records.map(({ key, fields }) => [key, fields!] as const),
      WORK_MAX,
    )
    while (machine.hasWorkLeft) {
      assert.ok(twin.hasWorkLeft)
      const batch = { at: machine.at, commands: [] }
      const [one, other] = [machine.apply(batch), twin.apply(batch)]
      assert.deepEqual([other.events, leftIn(other)], [one.events, leftIn(one)])
      assert.equal(twin.digest, machine.digest)
    }
    assert.ok(!twin.hasWorkLeft)
  })
})

describe('what many claims are in is done in steps', () => {
  /** Ten readers of `door`, of session 1, in slots 0 to 9. */
  const readers = (): Command[] => Array.from({ length: 10 }, (_, slot) => acquire(1, { slot, mode: SHARED }))

  function opened(): CheckedMachine {
    const machine = new CheckedMachine(WORK_MAX)
    machine.apply({
      at: 1,
      commands: [{ op: 'raise', level: FEATURE_LEVEL }, open(101, 60_000), open(102, 60_000)],
    })
    return machine
  }

  it('a close: whoever comes next in the same batch does not find the first of them', () => {
    const machine = loaded()
    const { verdicts } = machine.apply({
      at: 2_000,
      commands: [close(1), acquire(2, { names: ['n9'], waitMs: 0 })],
    })
    assert.deepEqual(verdicts.map(outcome), ['closed', 'granted'])
    assert.ok(drain(machine) > 0)
    assert.equal(machine.claims.size, 1)
  })

  it('the end of a writer whom many readers wait for: all are granted, in their order', () => {
    const machine = opened()
    machine.apply({ at: 1, commands: [acquire(2), ...readers()] })
    const first = machine.apply({ at: 2, commands: [release(2, 1)] })
    assert.equal(first.events.length, WORK_MAX + 1)
    assert.ok(machine.hasWorkLeft)
    assert.equal(drain(machine), 2)
    assert.deepEqual(
      machine.name('door')!.holders.map(({ claim }) => claim),
      [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    )
  })

  it('the end of a small session does not wait for that of a large one', () => {
    const machine = loaded()
    machine.apply({
      at: 1_000,
      commands: [acquire(2, { names: ['theirs'] }), acquire(3, { names: ['theirs'] })],
    })
    machine.pass(11_000)
    const applied = machine.apply({ at: 11_000, commands: [close(2)] })
    assert.ok(machine.hasWorkLeft)
    assert.equal(machine.name('theirs')?.holders[0]?.session, 3)
    assert.deepEqual(endedIn(applied), [2])
  })

  it('a force-release of many holders, and none of those who come after them', () => {
    const machine = opened()
    machine.apply({ at: 1, commands: readers() })
    const by = { session: 2, key: 102, slot: 3, seq: 1 } as const
    const verdict = machine.do({ op: 'forceRelease', ...by, name: 'door', token: 0, note: 'why' })
    assert.deepEqual(verdict, { kind: 'done', count: 10 })
    machine.do(acquire(2, { mode: SHARED }))
    drain(machine)
    assert.deepEqual(
      machine.name('door')!.holders.map(({ session }) => session),
      [2],
    )
    assert.equal(machine.interventions.all.length, 10)
  })

  it('a theft from many holders: the thief is granted when the last is gone', () => {
    const machine = opened()
    machine.apply({ at: 1, commands: readers() })
    const verdict = machine.do(acquire(2, { terms: terms({ steal: true }) }))
    assert.equal(outcome(verdict), 'queued')
    drain(machine)
    assert.deepEqual(
      machine.name('door')!.holders.map(({ session }) => session),
      [2],
    )
  })

  it('wait limits: nobody is granted what comes free after its own has passed', () => {
    const machine = opened()
    const waiting = Array.from({ length: 10 }, (_, slot) => acquire(1, { slot, waitMs: 100 }))
    machine.apply({ at: 1, commands: [acquire(2), ...waiting] })
    const { events } = machine.apply({ at: 101, commands: [release(2, 1)] })
    drain(machine)
    assert.ok(events.every((event) => event.kind === 'decided' && outcome(event.outcome) === 'TIMEOUT'))
    assert.equal(machine.name('door'), undefined)
  })

  it('what passed first is told, a wait limit or the expiry of the session, however late its turn comes', () => {
    const machine = opened()
    const others = Array.from({ length: 2 * WORK_MAX }, (_, k) =>
      acquire(2, { slot: 10 + k, waitMs: 59_990, names: [`o${k}`] }),
    )
    const held = others.map((_, k) => acquire(3, { slot: 10 + k, names: [`o${k}`] }))
    machine.apply({ at: 1, commands: [open(103, 600_000), acquire(3), ...held, ...others] })
    machine.apply({ at: 1, commands: [59_999, 60_000].map((waitMs, slot) => acquire(1, { slot, waitMs })) })
    const { events } = machine.apply({ at: 60_005, commands: [release(3, 1)] })
    assert.ok(machine.hasWorkLeft)
    const told = events.map((event) => event.kind === 'decided' && outcome(event.outcome))
    assert.deepEqual(told.slice(WORK_MAX), ['TIMEOUT', 'SESSION_EXPIRED'])
  })

  it('a theft from many readers, one of whom waits to upgrade: that one is told, and the thief is granted', () => {
    const machine = opened()
    machine.apply({ at: 1, commands: readers() })
    const last = machine.name('door')!.holders[9]!.token!
    const upgrade = acquire(1, { slot: 20, terms: terms({ upgrades: last }) })
    assert.equal(outcome(machine.do(upgrade)), 'queued')
    machine.do(acquire(2, { terms: terms({ steal: true }) }))
    assert.ok(machine.hasWorkLeft)
    assert.equal(outcome(machine.do(upgrade)), 'NOT_HELD')
    drain(machine)
    assert.deepEqual(
      machine.name('door')!.holders.map(({ session }) => session),
      [2],
    )
  })

  it('an heir comes behind a thief who waits until the last holder is gone', () => {
    const machine = opened()
    const wide = Array.from({ length: 2 * WORK_MAX }, (_, k) => `w${k}`)
    machine.apply({ at: 1, commands: [open(103), acquire(1), acquire(1, { slot: 1, names: wide })] })
    machine.apply({ at: 1, commands: [acquire(3)] })
    const heir = [...machine.claims.values()].find(({ session }) => session === 3)!.id
    const thief = acquire(2, { names: ['w0', 'door'], terms: terms({ steal: true }) })
    const handOver = release(1, 1, { slot: 2, succession: { heir, restMs: 0, result: undefined } })
    const { verdicts } = machine.apply({ at: 2, commands: [thief, handOver] })
    assert.deepEqual(verdicts.map(outcome), ['queued', 'released'])
    drain(machine)
    assert.equal(machine.name('door')?.holders[0]?.session, 2)
  })

  it('a result that many wait for: all are given it, also if it is kept for a moment only', () => {
    const machine = opened()
    const work = terms({ fingerprint: 'f' })
    const waiting = Array.from({ length: 10 }, (_, slot) => acquire(1, { slot, terms: work }))
    machine.apply({ at: 1, commands: [acquire(2, { terms: work }), ...waiting] })
    const result = { data: 'done', keepMs: 50 }
    const all = [
      machine.apply({ at: 2, commands: [release(2, 1, { succession: { heir: 0, restMs: 0, result } })] }),
    ]
    while (machine.hasWorkLeft) all.push(machine.apply({ at: machine.at + 1, commands: [] }))
    const told = all.flatMap(({ events }) =>
      events.map((event) => event.kind === 'decided' && outcome(event.outcome)),
    )
    assert.deepEqual(told, Array(10).fill('found'))
  })
})
