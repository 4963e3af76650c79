import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Acquire, Command } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { acquire, open, SHARED, terms } from './commands.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapBytes(): number {
  collectGarbage()
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** A text of its own, as one that was read from the log. */
function text(prefix: string, n: number, length = 15): string {
  return Buffer.from(`${prefix}${n}`.padEnd(length, '.')).toString()
}

const COUNT = 40_000

/** What the heap grows by with `COUNT` of them, and by what the machine says that it holds. */
function grown(make: (n: number) => Command): { real: number; estimated: number; machine: Machine } {
  const machine = new Machine()
  machine.apply({ at: 1, commands: [{ op: 'raise', level: FEATURE_LEVEL }, open(101, 1_000_000)] })
  const [real, estimated] = [heapBytes(), machine.heldBytes]
  for (let n = 0; n < COUNT; n++) machine.apply({ at: 1, commands: [make(n)] })
  machine.beginCheckpoint()
  while (machine.ledger.take(1_000).length > 0);
  return { real: heapBytes() - real, estimated: machine.heldBytes - estimated, machine }
}

function lock(n: number, rest: Partial<Acquire> = {}): Acquire {
  return acquire(1, { slot: n, names: [text('lock/', n)], ...rest })
}

describe('what the machine says that it holds', () => {
  const things: readonly (readonly [string, (n: number) => Command])[] = [
    ['plain locks', (n) => lock(n)],
    ['claims on four names', (n) => lock(n, { names: [1, 2, 3, 4].map((k) => text(`${k}/`, n)) })],
    ['waiters of one name', (n) => lock(n, { names: ['door'] })],
    ['waiters with a limit', (n) => lock(n, { names: ['door'], waitMs: 1_000 })],
    ['readers', (n) => lock(n, { mode: SHARED, terms: terms({ priority: 1 }) })],
    ['claims of owners', (n) => lock(n, { terms: terms({ owner: text('owner', n) }) })],
    ['permits', (n) => lock(n, { mode: { kind: 'permits', permits: 3, of: 5 } })],
    ['claims with data', (n) => lock(n, { terms: terms({ data: text('д', n, 700) }) })],
    ['sessions', (n) => open(1_000 + n, 1_000_000)],
    ['refused requests', (n) => ({ op: 'release', session: 1, key: 101, slot: n, seq: 1, token: 1e9 })],
    [
      'suspensions',
      (n) => ({
        op: 'suspend',
        session: 1,
        key: 101,
        slot: 0,
        seq: n + 1,
        name: text('n', n),
        note: '',
        forMs: 1e6,
      }),
    ],
  ]
  for (const [what, make] of things) {
    it(`is about what ${what} take of the heap, and nothing when all is gone`, (t) => {
      const { real, estimated, machine } = grown(make)
      t.diagnostic(`${Math.round(real / COUNT)} bytes each, estimated ${Math.round(estimated / COUNT)}`)
      assert.ok(estimated > 0.7 * real && estimated < 1.6 * real, `${real} bytes, estimated ${estimated}`)
      for (let at = 2; machine.nextDeadline() !== undefined; at++)
        machine.apply({ at: at * 1_000_000, commands: [] })
      assert.equal(machine.heldBytes, 0)
    })
  }
})
