import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command, Verdict } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'

const KEY = 7
/** 2^53 / 2^42. */
const RESTORES_MAX = 2_048

function only(machine: Machine, at: number, command: Command): Verdict {
  return machine.apply({ at, commands: [command] }).verdicts[0]!
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

describe('a machine that goes on from a backup', () => {
  it('gives no number out again, though the old one went on (faults 32, 42)', () => {
    const old = new Machine()
    enter(old, 10, 'a')
    const successor = old.successor(0)
    let newest = enter(old, 20, 'b')
    for (let k = 0; k < 1_000; k++) newest = enter(old, 5_000 * (k + 1), 'c')
    const first = enter(successor, 10, 'a')
    assert.ok(first.token > newest.token + 2 ** 41, 'tokens')
    assert.ok(first.session > newest.session, 'sessions')
    assert.ok(first.claim > newest.claim, 'claims')
  })

  it('has no sessions and no claims, and the same clock; who comes from before has expired', () => {
    const old = new Machine()
    const { session } = enter(old, 1_234, 'a')
    const successor = old.successor(0)
    assert.equal(successor.at, 1_234)
    assert.equal(successor.sessions.size + successor.claims.size, 0)
    assert.equal(successor.name('a'), undefined)
    for (const known of [session, session + 1_000_000]) {
      const verdict = only(successor, 1_300, { op: 'keepAlive', session: known, key: KEY })
      assert.deepEqual([verdict.kind, 'code' in verdict && verdict.code], ['refused', 'SESSION_EXPIRED'])
    }
  })

  it('counts changes from where no watcher of the old one has been, also after it was recorded', () => {
    const old = new Machine()
    only(old, 5, { op: 'raise', level: 2 })
    enter(old, 10, 'a')
    const successor = old.successor(0)
    const changes = [successor.beginCheckpoint(), ...successor.ledger.take(100)]
    const restored = Machine.restore(changes.map(({ key, fields }) => [key, fields!] as const))
    for (let k = 0; k < 1_000; k++) enter(old, 5_000 * (k + 1), 'c')
    assert.ok(restored.revision > old.revision)
    assert.equal(restored.revision, successor.revision)
  })

  it('begins behind the tokens that others are known to have given out', () => {
    const old = new Machine()
    enter(old, 10, 'a')
    const sibling = enter(old.successor(0), 10, 'a').token
    const [first, again] = [old.successor(sibling), old.successor(sibling)]
    assert.equal(first.digest, again.digest, 'on every node alike')
    assert.notEqual(first.digest, old.successor(0).digest, 'whoever was restored otherwise is found out')
    assert.ok(enter(first, 10, 'a').token > sibling)
  })

  it('can be restored some 2,000 times in a row, and then says so before a token is too large', () => {
    let machine = new Machine()
    let restores = 0
    assert.throws(() => {
      while (restores < RESTORES_MAX) {
        machine = machine.successor(0)
        restores++
        assert.ok(Number.isSafeInteger(enter(machine, machine.at, 'a').token + 2 ** 42 - 1))
      }
    }, RangeError)
    assert.ok(restores > 2_000, String(restores))
  })
})
