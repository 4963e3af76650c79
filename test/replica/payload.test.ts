import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import type { Command } from '../../src/machine/command.js'
import { Machine } from '../../src/machine/machine.js'
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
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ op: fc.constant('open' as const), key: id, ttlMs: id, label: text }, plain),
  fc.record({ op: fc.constant('keepAlive' as const), session: id, key: id }, plain),
  fc.record({ op: fc.constant('close' as const), session: id, key: id }, plain),
  fc.record({ op: fc.constant('release' as const), ...request, token: id }, plain),
  fc.record({ op: fc.constant('cancel' as const), ...request }, plain),
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
        const { verdicts } = new Machine().apply({ at: 1, commands: decoded(poison, count) })
        assert.equal(verdicts.length, count)
      }),
      { numRuns: 3_000 },
    )
  })

  it('keeps the commands beside one that can not be read', () => {
    const known = { op: 'keepAlive' as const, session: 1, key: 2 }
    const commands = packr.pack([[2, 1, 2], [99, 'of a later version'], 'none', [2, 'one', {}], [2, 1, 2]])
    const nameless = packr.pack([[4, 1, 2, 0, 1, 'no list', 1, null, '']])
    assert.deepEqual(decoded(nameless, 1), [{ op: 'unknown' }])
    assert.deepEqual(decoded(commands, 6), [
      known,
      { op: 'unknown' },
      { op: 'unknown' },
      { op: 'keepAlive', session: Number.NaN, key: Number.NaN },
      known,
      { op: 'unknown' },
    ])
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
