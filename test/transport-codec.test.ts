import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { InvariantError, type Message, RAFT_DEFAULTS } from '../raft/index.js'
import type { PeerItem } from '../src/replica/ports.js'
import { decodeItems, decodeItemsFrom, encodeItems, itemBytes } from '../src/transport/codec.js'
import { pack } from '../src/transport/fields.js'
import { FrameError } from '../src/transport/frame-error.js'
import { decodeHello, encodeHello, refusal, rollback } from '../src/transport/hello.js'
import { FRAME_BYTES } from '../src/transport/limits.js'

const number = fc.oneof(fc.nat(300), fc.maxSafeNat())
const flag = fc.boolean()
const bytes = fc.uint8Array({ maxLength: 80 })

const ids = fc.array(number, { maxLength: 8 })
const configArbitrary = fc.record({ voters: ids, outgoing: ids, learners: ids })

const appendArbitrary: fc.Arbitrary<Message> = fc
  .record({
    term: number,
    prevIndex: fc.nat(),
    prevTerm: number,
    commit: number,
    round: number,
    rest: fc.array(fc.tuple(number, bytes, fc.option(configArbitrary, { nil: undefined }))),
  })
  .map(({ rest, ...head }) => {
    const entries = rest.map(([term, payload, config], k) => {
      const entry = { index: head.prevIndex + 1 + k, term, payload }
      return config === undefined ? entry : { ...entry, config }
    })
    return { kind: 'append', ...head, entries }
  })

const messageArbitrary: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constant('vote' as const),
    term: number,
    pre: flag,
    transfer: flag,
    lastIndex: number,
    lastTerm: number,
  }),
  fc.record({ kind: fc.constant('vote_result' as const), term: number, pre: flag, granted: flag }),
  appendArbitrary,
  fc.record({
    kind: fc.constant('append_result' as const),
    term: number,
    accepted: flag,
    index: number,
    hintIndex: number,
    hintTerm: number,
    round: number,
  }),
  fc.record({ kind: fc.constant('commit' as const), term: number, commit: number }),
  fc.record({ kind: fc.constant('read' as const), term: number, id: number }),
  fc.record({ kind: fc.constant('read_result' as const), term: number, id: number, index: number }),
  fc.record({ kind: fc.constant('timeout_now' as const), term: number }),
)

const itemArbitrary: fc.Arbitrary<PeerItem> = fc.oneof(
  messageArbitrary.map((message) => ({ kind: 'raft' as const, message })),
  fc.record({
    kind: fc.constant('forward' as const),
    chunk: fc
      .record({
        origin: number,
        first: number,
        count: number,
        commands: fc.uint8Array({ minLength: 1, maxLength: 80 }),
      })
      .map(({ origin, first, count, commands }) => ({
        origin,
        first: Math.max(first, 1),
        count: Math.max(1, Math.min(count, commands.length)),
        commands,
      })),
  }),
  fc.record({ kind: fc.constant('digest' as const), index: number, digest: number }),
  fc.record({ kind: fc.constant('kept' as const), index: number }),
  fc.record({
    kind: fc.constant('low' as const),
    resource: fc.constantFrom('disk' as const, 'memory' as const),
    freeBytes: number,
    reserveBytes: number,
  }),
  fc.record({
    kind: fc.constant('snapshot_offer' as const),
    start: fc.record({ index: number, term: number, config: configArbitrary }),
  }),
  fc.record({
    kind: fc.constant('snapshot_want' as const),
    index: number,
    sequence: fc.option(number, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('snapshot_chunk' as const), index: number, data: bytes }),
)

/** One array, with this value in it as many times. */
function arrayOf(count: number, value: Buffer): Buffer {
  const head = Buffer.from([0xdd, 0, 0, 0, 0])
  head.writeUInt32BE(count, 1)
  return Buffer.concat([head, Buffer.alloc(count * value.length, value)])
}

const bareArrays = new Packr({ useRecords: false })

describe('a frame', () => {
  it('comes out as it went in, whatever its items', () => {
    fc.assert(
      fc.property(fc.array(itemArbitrary), (items) => {
        assert.deepEqual(decodeItems(encodeItems(items)), structuredCloneOf(items))
      }),
    )
  })

  it('is never larger than its items were reckoned to be', () => {
    fc.assert(
      fc.property(itemArbitrary, (item) => {
        assert.ok(encodeItems([item]).length <= itemBytes(item))
      }),
    )
  })

  it('of random bytes is refused with a FrameError, or is a frame', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decodesOrRefuses), { numRuns: 5_000 })
  })

  it('with a few bytes changed is refused with a FrameError, or is a frame', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.array(itemArbitrary, { minLength: 1 }), changes, (items, flips) => {
        const frame = encodeItems(items)
        for (const [at, value] of flips) frame[at % frame.length] = value
        decodesOrRefuses(frame)
      }),
      { numRuns: 2_000 },
    )
  })

  it('owns its bytes: a buffer that is used again does not change an entry', () => {
    const message: Message = {
      kind: 'append',
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
      round: 0,
      entries: [{ index: 1, term: 1, payload: new Uint8Array([1, 2, 3]) }],
    }
    const frame = encodeItems([{ kind: 'raft', message }])
    const [item] = decodeItems(frame)
    frame.fill(255)
    assert.deepEqual(item, { kind: 'raft', message })
  })

  const malformed: [string, unknown][] = [
    ['is not an array', { 0: 1 }],
    ['is empty', []],
    ['is of a later format', [2, [5, 1, 1]]],
    ['has an unknown tag', [1, [99, 1]]],
    ['has a negative number', [1, [5, 1, -1]]],
    ['has a fraction', [1, [5, 1, 0.5]]],
    ['has a number that is not exact', [1, [5, 1, 2 ** 53]]],
    ['has NaN', [1, [5, Number.NaN, 1]]],
    ['has text for a number', [1, [5, 1, '1']]],
    ['has a number for a flag', [1, [2, 1, 0, 1]]],
    ['counts more commands than it has bytes for', [1, [8, 1, 1, 4, new Uint8Array(3)]]],
    ['has text for bytes', [1, [8, 1, 1, 1, 'x']]],
    ['lacks a field', [1, [5, 1]]],
    ['has a field too many', [1, [5, 1, 1, 1]]],
    ['has half an entry', [1, [3, 1, 0, 0, 0, 0, [1]]]],
    ['has a bare term for an entry', [1, [3, 1, 0, 0, 0, 0, 1]]],
    ['has members that are not lists', [1, [3, 1, 0, 0, 0, 0, [1, new Uint8Array(), [1, 2, 3]]]]],
    ['offers a snapshot without members', [1, [10, 5, 1]]],
    ['has a digest that is not exact', [1, [13, 5, 2 ** 53]]],
    ['has text for a chunk of a snapshot', [1, [12, 5, 'x']]],
  ]
  for (const [what, frame] of malformed) {
    it(`that ${what} is refused`, () => {
      assert.throws(() => decodeItems(bareArrays.pack(frame)), FrameError)
    })
  }

  it('that claims millions of items in a few bytes is refused before they are made', () => {
    const bomb = Buffer.concat(Array.from({ length: 100 }, () => Buffer.from([0xdd, 0x01, 0xff, 0xff, 0xff])))
    assert.throws(() => decodeItems(bomb), FrameError)
  })

  it('with commands is taken only in the name of the node that sent it', () => {
    const chunk = { origin: 2, first: 1, count: 1, commands: new Uint8Array(3) }
    const frame = encodeItems([{ kind: 'forward', chunk }])
    assert.equal(decodeItemsFrom(2, frame).length, 1)
    assert.throws(() => decodeItemsFrom(3, frame), {
      name: 'FrameError',
      message: 'commands in the name of node 2',
    })
  })

  it('with commands that have no number, that of what a leader says itself, or that are none is refused', () => {
    for (const wrong of [{ first: 0 }, { first: -5 }, { count: 0 }, { count: 4 }]) {
      const chunk = { origin: 2, first: 1, count: 1, commands: new Uint8Array(3), ...wrong }
      assert.throws(() => decodeItems(encodeItems([{ kind: 'forward', chunk }])), FrameError)
    }
  })

  const bombs: [string, Buffer, RegExp][] = [
    ['16 MiB of empty maps', arrayOf(16 * 1024 * 1024, Buffer.from([0x80])), /a value of kind 0x80/],
    ['16 MiB of empty arrays', arrayOf(16 * 1024 * 1024, Buffer.from([0x90])), /more than 131072 values/],
    ['16 MiB of small numbers', arrayOf(16 * 1024 * 1024, Buffer.from([1])), /more than 131072 values/],
    ['entries without bytes', arrayOf(100_000, Buffer.from([0x92, 1, 0xc4, 0])), /more than 131072 values/],
    ['arrays one in the other', Buffer.alloc(1_000_000, 0x91), /arrays more than 5 deep/],
    ['extensions of msgpack', arrayOf(10, Buffer.from([0xd4, 0, 0])), /a value of kind 0xd4/],
  ]
  for (const [what, frame, reason] of bombs) {
    it(`of ${what} is refused before anything is made of it`, () => {
      assert.throws(() => decodeItems(frame), { name: 'FrameError', message: reason })
    })
  }

  it('of the smallest items that fill one is taken', () => {
    const item: PeerItem = { kind: 'raft', message: { kind: 'commit', term: 1, commit: 1 } }
    const items = Array<PeerItem>(Math.ceil(FRAME_BYTES / itemBytes(item))).fill(item)
    assert.equal(decodeItems(encodeItems(items)).length, items.length)
  })

  it('of as many entries as one append takes, each with all members in it, is taken', () => {
    const config = { voters: [1, 2, 3], outgoing: [], learners: [4] }
    // Raft counts 64 bytes for an entry beside its payload.
    const count = RAFT_DEFAULTS.appendBytesMax / 64
    const entries = Array.from({ length: count }, (_, k) => ({
      index: k + 1,
      term: 7,
      payload: new Uint8Array(),
      ...(k % 100 === 0 ? { config } : {}),
    }))
    const message: Message = {
      kind: 'append',
      term: 7,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
      round: 0,
      entries,
    }
    assert.equal(decodeItems(encodeItems([{ kind: 'raft', message }])).length, 1)
  })

  it('is not made of an append with a hole', () => {
    const entries = [{ index: 7, term: 1, payload: new Uint8Array() }]
    const message: Message = {
      kind: 'append',
      term: 1,
      prevIndex: 5,
      prevTerm: 1,
      commit: 0,
      round: 0,
      entries,
    }
    assert.throws(() => encodeItems([{ kind: 'raft', message }]), InvariantError)
  })
})

describe('a hello', () => {
  const addresses = new Map([1, 2, 3, 1_005].map((id) => [id, `127.0.0.1:${7200 + id}`]))
  const kept = new Map([[1, 1_200]])
  const disks = new Map([[1, 77]])
  const book = { addresses, configIndex: 5, isLed: false, disks, kept, level: 1, incarnation: 50 }
  const receiver = { clusterId: 'blue', self: 2, book }
  const who = { version: 1, clusterId: 'blue', from: 1, to: 2, address: '127.0.0.1:7201' }
  const hello = { ...who, configIndex: 5, level: 1, disk: 77, lastIndex: 1_200, incarnation: 50 }

  it('of a peer is welcome', () => {
    assert.equal(refusal(decodeHello(encodeHello(hello)), receiver), undefined)
  })

  const strangers: [string, Partial<typeof hello>, RegExp][] = [
    ['another version', { version: 2 }, /speak peer protocol 2 and node 2 speaks 1/],
    ['another cluster', { clusterId: 'green' }, /of cluster 'green' and node 2 is of cluster 'blue'/],
    ['one who looks for another node', { to: 3 }, /look for node 3 and this is node 2/],
    ['oneself', { from: 2 }, /this is node 2, and so are you/],
    ['an unknown node', { from: 9 }, /node 9 is no member/],
    ['one on another disk (fault 17)', { disk: 78 }, /node 1 was here before, on another disk/],
    ['an earlier life (fault 17)', { from: 5 }, /node 5 was here before/],
    ['an earlier version (fault 18)', { level: 0 }, /feature level 1.*knows level 0: upgrade it/],
    [
      'another incarnation',
      { incarnation: 51, disk: 78 },
      /another incarnation of cluster 'blue' \(51\) than node 2 \(50\)/,
    ],
    ['one who was removed', { from: 9, configIndex: 4 }, /node 9 is no member/],
  ]
  for (const [who, change, reason] of strangers) {
    it(`of ${who} is refused, with the reason and the remedy`, () => {
      assert.match(refusal({ ...hello, ...change }, receiver)?.reason ?? '', reason)
    })
  }

  it('of one on another disk disowns it only if it is of this cluster, and looks for this node (fault 17)', () => {
    const elsewhere = { ...hello, disk: 78 }
    assert.equal(refusal(elsewhere, receiver)?.loss, 'disk')
    for (const change of [{ clusterId: 'green' }, { to: 3 }, { version: 2 }, { incarnation: 51 }])
      assert.equal(refusal({ ...elsewhere, ...change }, receiver)?.loss, undefined)
  })

  it('with less than was told of its disk shows an earlier copy of it, or another disk (faults 17, 26)', () => {
    const earlier = { ...hello, lastIndex: 1_199 }
    const { reason, loss } = rollback(earlier, book) ?? {}
    assert.match(reason ?? '', /node 1 had entry 1200 on disk, and comes back with a log.* entry 1199/)
    assert.equal(loss, 'end_of_log')
    assert.equal(rollback(hello, book), undefined)
    assert.equal(rollback({ ...earlier, from: 3, disk: 5 }, book), undefined)
    assert.equal(rollback(earlier, { ...book, disks: new Map() })?.loss, 'end_of_log')
    assert.equal(refusal({ ...earlier, disk: 78 }, receiver)?.loss, 'disk')
    assert.equal(
      refusal(earlier, receiver),
      undefined,
      'it is no stranger: that is asked again, of old hellos',
    )
  })

  it('of a version that does not say where its log ends is no word of a loss (faults 18, 26)', () => {
    const earlier = decodeHello(pack([1, 'blue', 1, 2, '127.0.0.1:7201', 5, 1, 77]))
    assert.equal(earlier.lastIndex, undefined)
    assert.equal(rollback(earlier, book), undefined)
  })

  it('is not judged by its incarnation before both sides know theirs', () => {
    assert.equal(refusal({ ...hello, incarnation: 0 }, receiver), undefined)
    assert.equal(refusal(hello, { ...receiver, book: { ...book, incarnation: 0 } }), undefined)
    const earlier = decodeHello(pack([1, 'blue', 1, 2, '127.0.0.1:7201', 5, 1, 77, 1_200]))
    assert.equal(refusal(earlier, receiver), undefined)
  })

  it('of a later version is welcome, and of a disk that nobody has named yet', () => {
    assert.equal(refusal({ ...hello, level: 9, from: 3, disk: 5 }, receiver), undefined)
  })

  it('of an unknown node is welcome if that knows newer members: it may lead us by a log we have yet to see', () => {
    assert.equal(refusal({ ...hello, from: 9, configIndex: 6 }, receiver), undefined)
  })

  it('of an unknown node is refused as long as there is a leader, whatever it knows', () => {
    const led = { ...receiver, book: { ...receiver.book, isLed: true } }
    assert.match(refusal({ ...hello, from: 9, configIndex: 6 }, led)?.reason ?? '', /node 9 is no member/)
  })

  it('of anybody of its cluster is welcome to a node that is no member: who else could tell it', () => {
    const joining = { ...receiver, self: 4 }
    assert.equal(refusal({ ...hello, from: 9, to: 4, configIndex: 0 }, joining), undefined)
    assert.match(
      refusal({ ...hello, from: 9, to: 4, clusterId: 'green' }, joining)?.reason ?? '',
      /of cluster 'green'/,
    )
  })

  it('of an earlier version names no address, level or disk', () => {
    const { address, configIndex, level, disk } = decodeHello(pack([1, 'blue', 1, 2]))
    assert.deepEqual([address, configIndex, level, disk], ['', 0, 0, 0])
  })

  it('with an address that nobody can dial is none', () => {
    assert.throws(() => decodeHello(encodeHello({ ...hello, address: 'unix:socket' })), FrameError)
  })

  it('that is too large is not even read', () => {
    assert.throws(() => decodeHello(encodeHello({ ...hello, clusterId: 'x'.repeat(2_000) })), FrameError)
  })
})

function decodesOrRefuses(frame: Uint8Array): void {
  try {
    decodeItems(frame)
  } catch (error) {
    assert.ok(error instanceof FrameError, String(error))
  }
}

/** fast-check makes records without a prototype; the codec makes plain objects. */
function structuredCloneOf(items: readonly PeerItem[]): PeerItem[] {
  return structuredClone(items) as PeerItem[]
}
