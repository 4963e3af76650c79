import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { checkMachine } from '../../src/machine/inspection/invariants.js'
import {
  type Command,
  type Mode,
  NO_TERMS,
  type Succession,
  type Terms,
} from '../../src/machine/language/command.js'
import { checkCommand } from '../../src/machine/language/validate.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import {
  decodeCommands,
  decodePayload,
  encodeCommands,
  encodePayload,
  PayloadError,
} from '../../src/replica/payload.js'

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const text = fc.string({ unit: 'binary', maxLength: 200 })
const request = { session: id, key: id, slot: fc.nat(70_000), seq: id }
/** As the decoder makes them. */
const plain = { noNullPrototype: true }
const mode: fc.Arbitrary<Mode> = fc.oneof(
  fc.record({ kind: fc.constantFrom('exclusive', 'shared', 'member') }, plain),
  fc.record({ kind: fc.constant('permits' as const), permits: id, of: id }, plain),
)
const maybe = fc.option(id, { nil: undefined })
const none = fc.constant(undefined)
const terms: fc.Arbitrary<Terms> = fc.record(
  {
    data: text,
    owner: text,
    reentrant: fc.boolean(),
    priority: fc.nat(255),
    steal: fc.boolean(),
    upgrades: fc.nat(),
    lockDelayMs: id,
    minHoldMs: id,
    fingerprint: fc.option(text, { nil: undefined }),
  },
  plain,
)
const succession: fc.Arbitrary<Succession> = fc.record(
  {
    heir: fc.nat(),
    restMs: fc.nat(),
    result: fc.option(fc.record({ data: text, keepMs: id }, plain), { nil: undefined }),
  },
  plain,
)
const named = { ...request, name: text, note: text }
const asked = { op: fc.constant('acquire' as const), ...request, names: fc.array(text, { maxLength: 70 }) }
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ ...asked, mode, waitMs: maybe, label: text, terms }, plain),
  fc.record({ ...asked, mode, waitMs: maybe, label: text, terms: none }, plain),
  fc.record({ op: fc.constant('release' as const), ...request, token: id, succession }, plain),
  fc.record({ op: fc.constant('update' as const), ...request, token: id, data: text }, plain),
  fc.record({ op: fc.constant('downgrade' as const), ...request, token: id }, plain),
  fc.record({ op: fc.constantFrom('forceRelease', 'requestRelease'), ...named, token: fc.nat() }, plain),
  fc.record({ op: fc.constant('suspend' as const), ...named, forMs: maybe }, plain),
  fc.record({ op: fc.constant('resume' as const), ...named }, plain),
  fc.record({ op: fc.constant('raise' as const), level: id }, plain),
  fc.record({ op: fc.constant('identify' as const), node: id, disk: id }, plain),
  fc.record({ op: fc.constant('begin' as const), incarnation: id, wallMs: id }, plain),
  fc.record({ op: fc.constant('open' as const), key: id, ttlMs: id, label: text }, plain),
  fc.record({ op: fc.constant('keepAlive' as const), session: id, key: id }, plain),
  fc.record({ op: fc.constant('close' as const), session: id, key: id }, plain),
  fc.record({ op: fc.constant('release' as const), ...request, token: id, succession: none }, plain),
  fc.record({ op: fc.constantFrom('cancel', 'unknownRequest'), ...request }, plain),
  fc.record({ op: fc.constant('describe' as const), node: id, peer: text, client: text }, plain),
  fc.record({ op: fc.constant('forget' as const), node: id }, plain),
  fc.record(
    {
      op: fc.constant('acquire' as const),
      ...request,
      names: fc.array(text, { maxLength: 70 }),
      mode: fc.constant({ kind: 'exclusive' as const }),
      waitMs: fc.option(id, { nil: undefined }),
      label: text,
      terms: none,
    },
    plain,
  ),
)

/** What packs into msgpack, of any shape: what a newer version, or a mistake, may have put where a command should be. */
const anything = fc.anything({ withTypedArray: true, withBigInt: false, withDate: true, withMap: true })
const packr = new Packr({ useRecords: true })

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.array(fc.array(anything)).map((value) => new Uint8Array(packr.pack(value))),
)

function decoded(commands: Uint8Array, count: number): Command[] {
  const into: Command[] = []
  decodeCommands(commands, count, into)
  return into
}

/** On the newest feature level, with a session that the poison may name. */
function newest(): Machine {
  const machine = new Machine()
  const open = { op: 'open', key: 1, ttlMs: 1_000, label: '' } as const
  machine.apply({ at: 1, commands: [{ op: 'raise', level: FEATURE_LEVEL }, open] })
  return machine
}

const RAISE = 9
/** Commands of the right shape, with something else in one of their fields. One that raises the level is meant to stop a node. */
const nearly = fc
  .record({ command, field: fc.nat(9), inner: fc.nat(9), isInner: fc.boolean(), value: anything })
  .map(({ command: whole, field, inner, isInner, value }) => {
    const [fields] = packr.unpack(encodeCommands([whole])) as [unknown[]]
    // The session that is there.
    fields.splice(1, 2, 1, 1)
    const list = fields[field % fields.length]
    if (isInner && Array.isArray(list)) list[inner % Math.max(list.length, 1)] = value
    else fields[field % fields.length] = value
    if (fields[0] === RAISE) fields[0] = 0
    return new Uint8Array(packr.pack([fields]))
  })

/** Where each value stands, in lists of lists. */
function pathsOf(list: readonly unknown[]): number[][] {
  return list.flatMap((value, k) => [
    [k],
    ...(Array.isArray(value) ? pathsOf(value).map((path) => [k, ...path]) : []),
  ])
}

function replaced(list: readonly unknown[], [first, ...rest]: number[], value: unknown): unknown[] {
  return list.map((each, k) => {
    if (k !== first) return each
    return rest.length === 0 ? value : replaced(each as unknown[], rest, value)
  })
}

describe('the payload of an entry', () => {
  it('holds no more memory than its bytes, for the log keeps many', () => {
    const chunk = { origin: 1, first: 1, count: 1, commands: new Uint8Array(10_000) }
    for (let k = 0; k < 20; k++) {
      const payload = encodePayload(k, [chunk, chunk])
      assert.equal(payload.buffer.byteLength, payload.length)
    }
  })

  it('gives back what was put into it', () => {
    fc.assert(
      fc.property(fc.array(command), fc.array(command), id, (first, second, at) => {
        const chunks = [first, second].map((commands, k) => ({
          origin: k + 1,
          first: at - k,
          count: commands.length,
          commands: encodeCommands(commands),
        }))
        const payload = decodePayload(encodePayload(at, chunks))
        assert.equal(payload.at, at)
        assert.deepEqual(
          payload.chunks.map(({ origin, first: number, count }) => ({ origin, first: number, count })),
          chunks.map(({ origin, first: number, count }) => ({ origin, first: number, count })),
        )
        assert.deepEqual(
          payload.chunks.flatMap((chunk) => decoded(chunk.commands, chunk.count)),
          [...first, ...second],
        )
      }),
    )
  })

  it('reads exactly as many commands as promised from any bytes, whatever was read before (fault 12)', () => {
    fc.assert(
      fc.property(bytes, fc.nat(20), bytes, (poison, count, other) => {
        const once = decoded(poison, count)
        assert.equal(once.length, count)
        decoded(other, 3)
        assert.deepEqual(decoded(poison, count), once)
      }),
      { numRuns: 3_000 },
    )
  })

  it('is refused by the machine, not feared: every command read from any bytes gets a verdict (fault 12)', () => {
    fc.assert(
      fc.property(bytes, fc.nat(20), (poison, count) => {
        const { verdicts } = newest().apply({ at: 1, commands: decoded(poison, count) })
        assert.equal(verdicts.length, count)
      }),
      { numRuns: 3_000 },
    )
  })

  it('of a command with a field that is another is refused, or is the same for all who read it (fault 12)', () => {
    fc.assert(
      fc.property(nearly, (poison) => {
        const [once, again] = [decoded(poison, 1), decoded(poison, 1)]
        assert.deepEqual(once, again)
        const [machine, other] = [newest(), newest()]
        assert.deepEqual(machine.apply({ at: 1, commands: once }), other.apply({ at: 1, commands: again }))
        checkMachine(machine)
      }),
      { numRuns: 5_000 },
    )
  })

  it('is refused at sight where any field is of another type', () => {
    const who = { session: 1, key: 2, slot: 3, seq: 4 }
    const intervention = { ...who, name: 'a', note: 'n' }
    const all: Command[] = [
      { op: 'open', key: 1, ttlMs: 1_000, label: '' },
      { op: 'keepAlive', session: 1, key: 2 },
      { op: 'acquire', ...who, names: ['a'], mode: { kind: 'exclusive' }, waitMs: 1, label: '' },
      {
        op: 'acquire',
        ...who,
        names: ['a'],
        mode: { kind: 'permits', permits: 1, of: 2 },
        waitMs: 1,
        label: '',
        terms: NO_TERMS,
      },
      { op: 'release', ...who, token: 1 },
      {
        op: 'release',
        ...who,
        token: 1,
        succession: { heir: 1, restMs: 1, result: { data: 'd', keepMs: 1 } },
      },
      { op: 'update', ...who, token: 1, data: 'd' },
      { op: 'downgrade', ...who, token: 1 },
      { op: 'forceRelease', ...intervention, token: 1 },
      { op: 'requestRelease', ...intervention, token: 1 },
      { op: 'suspend', ...intervention, forMs: 1 },
      { op: 'resume', ...intervention },
      { op: 'identify', node: 1, disk: 2 },
    ]
    for (const command of all) {
      const [sound] = packr.unpack(encodeCommands([command])) as [unknown[]]
      assert.equal(checkCommand(decoded(packr.pack([sound]), 1)[0]!), undefined, command.op)
      for (const path of pathsOf(sound).slice(1)) {
        const [poisoned] = decoded(packr.pack([replaced(sound, path, { of: 'another type' })]), 1)
        assert.ok(checkCommand(poisoned!) !== undefined, `${command.op}, field ${path.join('.')}`)
      }
    }
  })

  it('of plain commands is what it always was, byte by byte: an older version reads it', () => {
    const who = { session: 1, key: 2, slot: 3, seq: 4 }
    const exclusive = { kind: 'exclusive' } as const
    const acquire = { op: 'acquire', ...who, names: ['a'], mode: exclusive, waitMs: 5, label: 'l' } as const
    const commands: Command[] = [
      acquire,
      { ...acquire, waitMs: undefined },
      { op: 'release', ...who, token: 6 },
    ]
    const asEver = [
      [4, 1, 2, 3, 4, ['a'], 1, 5, 'l'],
      [4, 1, 2, 3, 4, ['a'], 1, null, 'l'],
      [5, 1, 2, 3, 4, 6],
    ]
    assert.deepEqual(encodeCommands(commands), packr.pack(asEver))
    assert.equal(
      Buffer.from(encodeCommands(commands)).toString('hex'),
      '9399040102030491a1610105a16c99040102030491a16101c0a16c96050102030406',
    )
  })

  it('of commands that an older version does not know has numbers of its own, which that refuses', () => {
    const who = { session: 1, key: 2, slot: 3, seq: 4 }
    const plainly = { op: 'acquire', ...who, names: ['a'], waitMs: 0, label: '' } as const
    const more: Command[] = [
      { ...plainly, mode: { kind: 'shared' } },
      { ...plainly, mode: { kind: 'exclusive' }, terms: NO_TERMS },
      { op: 'release', ...who, token: 6, succession: { heir: 0, restMs: 0, result: undefined } },
    ]
    const opcodes = (packr.unpack(encodeCommands(more)) as number[][]).map(([opcode]) => opcode)
    assert.deepEqual(opcodes, [11, 11, 12])
  })

  it('keeps the commands beside one that can not be read', () => {
    const known = { op: 'keepAlive' as const, session: 1, key: 2 }
    const commands = packr.pack([[2, 1, 2], [63, 'of a later version'], 'none', [2, 'one', {}], [2, 1, 2]])
    const nameless = packr.pack([[4, 1, 2, 0, 1, 'no list', 1, null, '']])
    assert.deepEqual(decoded(nameless, 1), [{ op: 'unknownRequest', session: 1, key: 2, slot: 0, seq: 1 }])
    assert.deepEqual(decoded(commands, 6), [
      known,
      { op: 'unknown' },
      { op: 'unknown' },
      { op: 'keepAlive', session: Number.NaN, key: Number.NaN },
      known,
      { op: 'unknown' },
    ])
  })

  it('of a request that a later version knows has its numbers, by which the reply is remembered', () => {
    const numbers = { session: 1, key: 2, slot: 3, seq: 4 }
    const later = [
      [64, 1, 2, 3, 4],
      [99, 1, 2, 3, 4, 'more'],
      [11, 1, 2, 3, 4, ['a'], ['another mode'], null, '', null],
      [4, 1, 2, 3, 4, ['a'], 'another mode', null, ''],
    ]
    const commands = decoded(packr.pack(later), later.length)
    assert.deepEqual(
      commands,
      later.map(() => ({ op: 'unknownRequest', ...numbers })),
    )
    const [spoiled] = decoded(packr.pack([[99, 'x', {}]]), 1)
    assert.deepEqual(
      newest()
        .apply({ at: 1, commands: [spoiled!] })
        .verdicts.map(({ kind }) => kind),
      ['refused'],
    )
  })

  it('of another format, or of none, stops the node with a PayloadError', () => {
    fc.assert(
      fc.property(bytes, (foreign) => {
        try {
          decodePayload(foreign)
        } catch (error) {
          assert(error instanceof PayloadError, String(error))
        }
      }),
    )
    assert.throws(() => decodePayload(new Uint8Array()), PayloadError)
    assert.throws(() => decodePayload(packr.pack([{ toString: 'no function' }])), PayloadError)
    assert.throws(() => decodePayload(packr.pack([2, 1_000])), /format 2; this version reads format 1/)
  })
})
