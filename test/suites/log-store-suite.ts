import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Entry, type HardState, InvariantError, type LogStart, type Write } from '../../raft/index.js'
import type { LogStore, RecoveredLog } from '../../src/replica/ports.js'

/** One disk under test: `open` is called again after the store it gave before has been closed. */
export interface LogStoreUnderTest {
  open(): Promise<LogStore>
  /** Called when no store is open any more. */
  dispose(): Promise<void>
}

/** What every `LogStore` owes the replica. `create` gives an empty disk. */
export function logStoreSuite(name: string, create: () => Promise<LogStoreUnderTest>): void {
  describe(`${name} as a LogStore`, () => {
    let disk: LogStoreUnderTest
    let store: LogStore

    beforeEach(async () => {
      disk = await create()
      store = await disk.open()
      await store.load()
    })

    afterEach(async () => {
      await store.close()
      await disk.dispose()
    })

    async function reopened(): Promise<RecoveredLog> {
      await store.close()
      store = await disk.open()
      return plain(await store.load())
    }

    it('starts with term 0, no vote and no entries', async () => {
      assert.deepEqual(await reopened(), { hardState: { term: 0, vote: 0 }, start: undefined, entries: [] })
    })

    it('finds hard state and entries again after a restart', async () => {
      const entries = [entry(1, 1, 'a'), entry(2, 1, ''), entry(3, 2, 'c')]
      await store.write(write({ hardState: { term: 2, vote: 3 }, entries }))
      assert.deepEqual(await reopened(), { hardState: { term: 2, vote: 3 }, start: undefined, entries })
    })

    it('keeps a vote that was written without entries', async () => {
      await store.write(write({ hardState: { term: 7, vote: 1 } }))
      assert.deepEqual((await reopened()).hardState, { term: 7, vote: 1 })
    })

    it('replaces a conflicting tail by a shorter one, and the rest of the old tail is gone', async () => {
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 9, 1) }))
      await store.write(write({ hardState: { term: 2, vote: 0 }, truncateFrom: 4, entries: run(4, 5, 2) }))
      assert.deepEqual((await reopened()).entries, [...run(1, 3, 1), ...run(4, 5, 2)])
    })

    it('replaces a conflicting tail by a longer one', async () => {
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 3, 1) }))
      await store.write(write({ hardState: { term: 2, vote: 0 }, truncateFrom: 3, entries: run(3, 8, 2) }))
      assert.deepEqual((await reopened()).entries, [...run(1, 2, 1), ...run(3, 8, 2)])
    })

    it('truncates without putting anything, down to nothing, and goes on from there', async () => {
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 3, 1) }))
      await store.write(write({ truncateFrom: 1 }))
      assert.deepEqual((await reopened()).entries, [])
      await store.write(write({ entries: run(1, 1, 1) }))
      assert.deepEqual((await reopened()).entries, run(1, 1, 1))
    })

    it('takes a truncation beyond the end, left over when two writes were merged, as none', async () => {
      await store.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 2, 1) }))
      await store.write(write({ truncateFrom: 4, entries: [...run(3, 3, 1), ...run(4, 4, 2)] }))
      assert.deepEqual((await reopened()).entries, [...run(1, 3, 1), ...run(4, 4, 2)])
    })

    it('takes an empty write', async () => {
      await store.write(write({}))
      assert.deepEqual(await reopened(), { hardState: { term: 0, vote: 0 }, start: undefined, entries: [] })
    })

    it('keeps a payload of a megabyte, and every byte value', async () => {
      const payload = Uint8Array.from({ length: 1 << 20 }, (_, i) => i & 255)
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: [{ index: 1, term: 1, payload }] }))
      assert.deepEqual((await reopened()).entries, [{ index: 1, term: 1, payload }])
    })

    it('refuses a second write while one is in flight, and the first is not harmed', async () => {
      const first = store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 1, 1) }))
      await assert.rejects(store.write(write({ entries: run(2, 2, 1) })), InvariantError)
      await first
      assert.deepEqual((await reopened()).entries, run(1, 1, 1))
    })

    const mistakes: [string, Partial<Write>][] = [
      ['leaves a hole', { entries: run(5, 5, 1) }],
      ['overlaps what it does not truncate', { entries: run(3, 4, 1) }],
      ['goes back in terms', { entries: run(4, 4, 0) }],
      ['has an entry ahead of the current term', { entries: run(4, 4, 3) }],
      ['takes the term back', { hardState: { term: 1, vote: 1 } }],
    ]
    for (const [mistake, parts] of mistakes) {
      it(`refuses a write that ${mistake}, and none of it reaches the disk`, async () => {
        await store.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 3, 1) }))
        await assert.rejects(store.write(write(parts)), InvariantError)
        assert.deepEqual(await reopened(), {
          hardState: { term: 2, vote: 1 },
          start: undefined,
          entries: run(1, 3, 1),
        })
      })
    }

    it('keeps what an entry says about the members', async () => {
      const config = { voters: [1, 2, 3], outgoing: [1], learners: [4] }
      const entries = [
        { ...entry(1, 1, 'members'), config },
        { ...entry(2, 1, ''), config },
        entry(3, 1, 'c'),
      ]
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries }))
      assert.deepEqual((await reopened()).entries, entries)
    })

    it('forgets what was compacted, keeps the rest, and goes on from there', async () => {
      await store.write(
        write({ hardState: { term: 2, vote: 1 }, entries: [...run(1, 4, 1), ...run(5, 9, 2)] }),
      )
      await store.compact(startAt(5, 2))
      await store.write(write({ truncateFrom: 8, entries: run(8, 8, 2) }))
      assert.deepEqual(await reopened(), {
        hardState: { term: 2, vote: 1 },
        start: startAt(5, 2),
        entries: run(6, 8, 2),
      })
      await store.write(write({ entries: run(9, 9, 2) }))
      await store.compact(startAt(9, 2))
      assert.deepEqual(await reopened(), {
        hardState: { term: 2, vote: 1 },
        start: startAt(9, 2),
        entries: [],
      })
      await store.write(write({ entries: run(10, 10, 2) }))
      assert.deepEqual((await reopened()).entries, run(10, 10, 2))
    })

    it('compacts while a write is under way', async () => {
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 5, 1) }))
      await Promise.all([store.write(write({ entries: run(6, 7, 1) })), store.compact(startAt(4, 1))])
      const { start, entries } = await reopened()
      assert.deepEqual({ start, entries }, { start: startAt(4, 1), entries: run(5, 7, 1) })
    })

    const badStarts: [string, LogStart][] = [
      ['beyond the end', startAt(8, 1)],
      ['back', startAt(1, 1)],
      ['to an entry of another term', startAt(4, 2)],
    ]
    for (const [where, start] of badStarts) {
      it(`refuses to move its start ${where}`, async () => {
        await store.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 5, 1) }))
        await store.compact(startAt(2, 1))
        await assert.rejects(store.compact(start), InvariantError)
        const recovered = await reopened()
        assert.deepEqual(recovered.start, startAt(2, 1))
        assert.deepEqual(recovered.entries, run(3, 5, 1))
      })
    }

    it('refuses to truncate what was compacted', async () => {
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 5, 1) }))
      await store.compact(startAt(3, 1))
      await assert.rejects(store.write(write({ truncateFrom: 3 })), InvariantError)
      assert.deepEqual((await reopened()).entries, run(4, 5, 1))
    })

    it('agrees with a dumb twin over any sequence of writes and restarts', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 12 }), async (steps) => {
          const fresh = await create()
          try {
            await followTwin(fresh, steps)
          } finally {
            await fresh.dispose()
          }
        }),
        { numRuns: 100 },
      )
    })
  })
}

interface Step {
  readonly restart: boolean
  readonly newTerm: boolean
  readonly vote: number
  readonly truncate: number
  readonly compact: number
  readonly payloads: readonly Uint8Array[]
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  restart: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  newTerm: fc.boolean(),
  vote: fc.integer({ min: 0, max: 5 }),
  truncate: fc.integer({ min: 0, max: 4 }),
  compact: fc.integer({ min: 0, max: 3 }),
  payloads: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
})

/** The twin is an array, a pair of numbers, and a start. */
async function followTwin(disk: LogStoreUnderTest, steps: readonly Step[]): Promise<void> {
  const twin: { hardState: HardState; start: LogStart | undefined; entries: Entry[] } = {
    hardState: { term: 0, vote: 0 },
    start: undefined,
    entries: [],
  }
  let store = await disk.open()
  await store.load()
  for (const step of steps) {
    const kept = twin.entries.slice(0, Math.max(0, twin.entries.length - step.truncate))
    const term = Math.max(1, twin.hardState.term + (step.newTerm ? 1 : 0))
    const hardState = { term, vote: step.vote }
    const next = (twin.start?.index ?? 0) + kept.length + 1
    const entries = step.payloads.map((payload, k) => ({ index: next + k, term, payload }))
    const truncateFrom = step.truncate > 0 ? next : undefined
    await store.write(write({ hardState, truncateFrom, entries }))
    twin.hardState = hardState
    twin.entries = [...kept, ...entries]
    const last = twin.entries[step.compact - 1]
    if (last !== undefined) {
      twin.start = startAt(last.index, last.term)
      twin.entries = twin.entries.slice(step.compact)
      await store.compact(twin.start)
    }
    if (step.restart) {
      await store.close()
      store = await disk.open()
      assert.deepEqual(plain(await store.load()), twin)
    }
  }
  assert.deepEqual(plain(await store.load()), twin)
  await store.close()
}

let writes = 0

export function write(parts: Partial<Omit<Write, 'id'>>): Write {
  return { id: ++writes, hardState: undefined, truncateFrom: undefined, entries: [], ...parts }
}

export function entry(index: number, term: number, text: string): Entry {
  return { index, term, payload: new TextEncoder().encode(text) }
}

/** The start of a log whose entries up to `index` are in a checkpoint. */
export function startAt(index: number, term: number): LogStart {
  return { index, term, config: { voters: [1, 2, 3], outgoing: [], learners: [] } }
}

/** Entries `from` to `to` of one term, each with a payload of its own. */
export function run(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, k) =>
    entry(from + k, term, `payload ${from + k} of term ${term}`),
  )
}

/** A store may give any kind of Uint8Array; to compare, it is made the plain one. */
export function plain({ hardState, start, entries }: RecoveredLog): RecoveredLog {
  return { hardState, start, entries: entries.map((e) => ({ ...e, payload: new Uint8Array(e.payload) })) }
}
