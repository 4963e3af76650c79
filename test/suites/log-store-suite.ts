import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { type Entry, type HardState, InvariantError, type Write } from '../../raft/index.js'
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
      assert.deepEqual(await reopened(), { hardState: { term: 0, vote: 0 }, entries: [] })
    })

    it('finds hard state and entries again after a restart', async () => {
      const entries = [entry(1, 1, 'a'), entry(2, 1, ''), entry(3, 2, 'c')]
      await store.write(write({ hardState: { term: 2, vote: 3 }, entries }))
      assert.deepEqual(await reopened(), { hardState: { term: 2, vote: 3 }, entries })
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
      assert.deepEqual(await reopened(), { hardState: { term: 0, vote: 0 }, entries: [] })
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
        assert.deepEqual(await reopened(), { hardState: { term: 2, vote: 1 }, entries: run(1, 3, 1) })
      })
    }

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
  readonly payloads: readonly Uint8Array[]
}

const stepArbitrary: fc.Arbitrary<Step> = fc.record({
  restart: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  newTerm: fc.boolean(),
  vote: fc.integer({ min: 0, max: 5 }),
  truncate: fc.integer({ min: 0, max: 4 }),
  payloads: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }),
})

/** The twin is an array and a pair of numbers. */
async function followTwin(disk: LogStoreUnderTest, steps: readonly Step[]): Promise<void> {
  const twin: { hardState: HardState; entries: Entry[] } = { hardState: { term: 0, vote: 0 }, entries: [] }
  let store = await disk.open()
  await store.load()
  for (const step of steps) {
    const kept = twin.entries.slice(0, Math.max(0, twin.entries.length - step.truncate))
    const term = twin.hardState.term + (step.newTerm ? 1 : 0)
    const hardState = { term, vote: step.vote }
    const entries = step.payloads.map((payload, k) => ({ index: kept.length + k + 1, term, payload }))
    const truncateFrom = step.truncate > 0 ? kept.length + 1 : undefined
    await store.write(write({ hardState, truncateFrom, entries }))
    twin.hardState = hardState
    twin.entries = [...kept, ...entries]
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

/** Entries `from` to `to` of one term, each with a payload of its own. */
export function run(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, k) =>
    entry(from + k, term, `payload ${from + k} of term ${term}`),
  )
}

/** A store may give any kind of Uint8Array; to compare, it is made the plain one. */
export function plain({ hardState, entries }: RecoveredLog): RecoveredLog {
  return { hardState, entries: entries.map((e) => ({ ...e, payload: new Uint8Array(e.payload) })) }
}
