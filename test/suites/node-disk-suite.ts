import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { InvariantError, type LogStart } from '../../raft/index.js'
import { CHUNK_BYTES_MAX, lastChunk } from '../../src/record-store/chunks.js'
import {
  DamagedLogError,
  DamagedRecordsError,
  DamagedSnapshotError,
  type NodeDisk,
  type RecordChange,
  type RecoveredDisk,
  type Staging,
} from '../../src/replica/ports.js'
import { writeCheckpoint } from './checkpoint.js'
import { plain, run, startAt, write } from './log-store-suite.js'

/** One disk under test: `open` is called again after the one it gave before has been closed. */
export interface NodeDiskUnderTest {
  open(): Promise<NodeDisk>
  /** Called when none is open any more. */
  dispose(): Promise<void>
}

/** What every `NodeDisk` owes the replica, beyond what its log owes. `create` gives an empty disk. */
export function nodeDiskSuite(name: string, create: () => Promise<NodeDiskUnderTest>): void {
  describe(`${name} as a NodeDisk`, () => {
    let underTest: NodeDiskUnderTest
    let disk: NodeDisk

    beforeEach(async () => {
      underTest = await create()
      disk = await underTest.open()
      await recover(disk)
    })

    afterEach(async () => {
      await disk.close()
      await underTest.dispose()
    })

    async function reopened(): Promise<Recovered> {
      await disk.close()
      disk = await underTest.open()
      return recover(disk)
    }

    /** A second disk, on which `act` works. */
    async function elsewhere<T>(act: (other: NodeDisk) => Promise<T>): Promise<T> {
      const place = await create()
      const other = await place.open()
      try {
        await recover(other)
        return await act(other)
      } finally {
        await other.close()
        await place.dispose()
      }
    }

    async function log(from: number, to: number, term: number): Promise<void> {
      await disk.log.write(write({ hardState: { term, vote: 1 }, entries: run(from, to, term) }))
    }

    it('starts without a checkpoint', async () => {
      const { checkpoint, records } = await reopened()
      assert.equal(checkpoint, undefined)
      assert.deepEqual(records, {})
    })

    it('finds records again as the last of several checkpoints left them', async () => {
      await log(1, 9, 1)
      await writeCheckpoint(disk.records, startAt(3, 1), [put('a', 'one'), put('b', 'two'), put('c', '')])
      await writeCheckpoint(disk.records, startAt(5, 1), [
        put('b', 'three'),
        gone('a'),
        gone('never was'),
        put('d', 'x'),
      ])
      const { checkpoint, records } = await reopened()
      assert.deepEqual(checkpoint, startAt(5, 1))
      assert.deepEqual(disk.records.start(), startAt(5, 1))
      assert.deepEqual(records, { b: 'three', c: '', d: 'x' })
    })

    it('moves a checkpoint on although nothing changed', async () => {
      await log(1, 9, 1)
      await writeCheckpoint(disk.records, startAt(3, 1), [put('a', 'one')])
      await writeCheckpoint(disk.records, startAt(7, 1), [])
      const { checkpoint, records } = await reopened()
      assert.deepEqual({ checkpoint, records }, { checkpoint: startAt(7, 1), records: { a: 'one' } })
    })

    it('refuses a checkpoint before the last, and two at a time', async () => {
      await log(1, 9, 1)
      await writeCheckpoint(disk.records, startAt(5, 1), [put('a', 'one')])
      await assert.rejects(writeCheckpoint(disk.records, startAt(4, 1), []), InvariantError)
      const first = writeCheckpoint(disk.records, startAt(6, 1), [put('b', 'two')])
      await assert.rejects(writeCheckpoint(disk.records, startAt(7, 1), []), InvariantError)
      await first
      assert.deepEqual((await reopened()).records, { a: 'one', b: 'two' })
    })

    it('has nothing of a checkpoint that was begun, and not written', async () => {
      await log(1, 9, 1)
      await writeCheckpoint(disk.records, startAt(5, 1), [put('a', 'one'), put('b', 'two')])
      disk.records.begin(startAt(6, 1)).put([put('a', 'three'), gone('b'), put('c', 'four')])
      const { checkpoint, records } = await reopened()
      assert.deepEqual(
        { checkpoint, records },
        { checkpoint: startAt(5, 1), records: { a: 'one', b: 'two' } },
      )
      await writeCheckpoint(disk.records, startAt(7, 1), [put('a', 'five')])
      assert.deepEqual((await reopened()).records, { a: 'five', b: 'two' })
    })

    it('is refused when the log begins behind its checkpoint, or has none', async () => {
      await log(1, 9, 1)
      await disk.log.compact(startAt(2, 1))
      await assert.rejects(reopened(), DamagedRecordsError)
      await writeCheckpoint(disk.records, startAt(1, 1), [])
      await assert.rejects(reopened(), /behind entry 2, and the newest checkpoint found is of entry 1/)
    })

    it('is refused when its checkpoint is of an entry that the log lacks, or has of another term', async () => {
      await log(1, 3, 1)
      await writeCheckpoint(disk.records, startAt(3, 2), [])
      await assert.rejects(reopened(), /in the log that entry is of term 1/)
      await writeCheckpoint(disk.records, startAt(4, 1), [])
      await assert.rejects(reopened(), DamagedLogError)
    })

    describe('with a snapshot', () => {
      const names = Array.from({ length: 40 }, (_, k) => `name ${String(k).padStart(2, '0')}`)

      /** Three chunks of records, and the last one. */
      async function checkpoint(index: number): Promise<void> {
        await log(1, index, 1)
        await writeCheckpoint(
          disk.records,
          startAt(index, 1),
          names.map((name) => put(name, name.repeat(2_000))),
        )
      }

      async function chunks(from: NodeDisk): Promise<Uint8Array[]> {
        const source = await from.records.openSnapshot()
        const all: Uint8Array[] = []
        for (let isLast = false; !isLast; ) {
          const chunk = await source.chunk(all.length)
          assert.equal(chunk.sequence, all.length)
          assert.ok(chunk.data.length <= CHUNK_BYTES_MAX)
          all.push(chunk.data)
          isLast = chunk.isLast
        }
        await source.close()
        return all
      }

      async function putAll(staging: Staging, all: readonly Uint8Array[]): Promise<void> {
        for (const data of all) await staging.put(data)
        await staging.complete()
        await staging.load(() => {})
      }

      it('sends it to another disk, where it takes the place of log and records', async () => {
        await checkpoint(8)
        const sent = await chunks(disk)
        assert.equal(sent.length, 4)
        const before = await reopened()
        await elsewhere(async (other) => {
          await other.log.write(write({ hardState: { term: 1, vote: 2 }, entries: run(1, 12, 1) }))
          await writeCheckpoint(other.records, startAt(2, 1), [put('of old', 'x')])
          const staging = await other.records.openStaging(startAt(8, 1))
          await putAll(staging, sent)
          await other.install(staging)
          const after = await recover(other)
          assert.deepEqual(after.records, before.records)
          assert.deepEqual(after.checkpoint, startAt(8, 1))
          assert.deepEqual(after.start, startAt(8, 1))
          assert.deepEqual(after.entries, [])
          assert.deepEqual(after.hardState, { term: 1, vote: 2 })
        })
      })

      it('puts it in place of a checkpoint that was begun, too', async () => {
        await checkpoint(8)
        const before = await reopened()
        const staging = await disk.records.openStaging(startAt(8, 1))
        await putAll(staging, await chunks(disk))
        disk.records.begin(startAt(8, 1)).put([put('late', 'x'), gone(names[0]!)])
        await disk.install(staging)
        await log(9, 9, 1)
        await writeCheckpoint(disk.records, startAt(9, 1), [put('new', 'y')])
        assert.deepEqual((await reopened()).records, { ...before.records, new: 'y' })
      })

      it('goes on from a snapshot with log, checkpoints and another snapshot', async () => {
        await checkpoint(8)
        const sent = await chunks(disk)
        const first = await disk.records.openStaging(startAt(8, 1))
        await putAll(first, sent)
        await disk.install(first)
        await log(9, 11, 2)
        await writeCheckpoint(disk.records, startAt(10, 2), [put('new', 'y'), ...names.slice(1).map(gone)])
        await disk.log.compact(startAt(9, 2))
        const second = await disk.records.openStaging(startAt(11, 2))
        const small = await chunks(disk)
        await assert.rejects(second.put(small[0]!), DamagedSnapshotError)
        await second.abandon()
        const { start, entries, checkpoint: point, records } = await reopened()
        assert.deepEqual({ start, point }, { start: startAt(9, 2), point: startAt(10, 2) })
        assert.deepEqual(entries, run(10, 11, 2))
        assert.deepEqual(Object.keys(records).sort(), [names[0], 'new'])
      })

      it('sees the moment it was opened, however many checkpoints are written meanwhile', async () => {
        await checkpoint(8)
        const expected = await chunks(disk)
        const source = await disk.records.openSnapshot()
        await source.chunk(0)
        await source.chunk(1)
        await log(9, 9, 1)
        await writeCheckpoint(disk.records, startAt(9, 1), [...names.map(gone), put('other', 'z')])
        for (const sequence of [2, 0, 1, 2, 3])
          assert.equal(
            hex((await source.chunk(sequence)).data),
            hex(expected[sequence]!),
            `chunk ${sequence}`,
          )
        await source.close()
        assert.deepEqual(source.start, startAt(8, 1))
      })

      it('gives any chunk again, the same', async () => {
        await checkpoint(8)
        const expected = (await chunks(disk)).map(hex)
        const source = await disk.records.openSnapshot()
        for (const sequence of [0, 1, 1, 2, 0, 1, 2, 3, 3, 2, 3])
          assert.equal(hex((await source.chunk(sequence)).data), expected[sequence], `chunk ${sequence}`)
        await source.close()
      })

      it('passes over chunks that come twice or too early, and knows which one it wants', async () => {
        await checkpoint(8)
        const sent = await chunks(disk)
        const staging = await disk.records.openStaging(startAt(8, 1))
        const wanted: (number | undefined)[] = []
        for (const sequence of [1, 0, 0, 3, 1, 0, 2, 1, 3, 3]) {
          await staging.put(sent[sequence]!)
          wanted.push(staging.next)
        }
        assert.deepEqual(wanted, [0, 1, 1, 1, 2, 2, 3, 3, undefined, undefined])
        await staging.complete()
        await assert.rejects(disk.install(staging), InvariantError, 'it is loaded before')
        const handedOver: string[] = []
        await staging.load((records) => handedOver.push(...records.map(({ key }) => key)))
        assert.deepEqual(handedOver.sort(), names)
        await disk.install(staging)
        assert.deepEqual(Object.keys((await recover(disk)).records).sort(), names)
      })

      it('refuses a chunk that was altered anywhere, or is of another snapshot, and takes the good one then (fault 23)', async () => {
        await checkpoint(8)
        const sent = await chunks(disk)
        const staging = await disk.records.openStaging(startAt(8, 1))
        for (const at of [0, 1, 4, 5, 10, 11, 12, 20, 200_000, sent[0]!.length - 1]) {
          const bad = Uint8Array.from(sent[0]!)
          bad[at]! ^= 0x20
          await assert.rejects(staging.put(bad), DamagedSnapshotError, `byte ${at}`)
        }
        await assert.rejects(staging.put(sent[0]!.subarray(0, 5)), DamagedSnapshotError)
        await staging.put(sent[0]!)
        await staging.abandon()
        const other = await disk.records.openStaging(startAt(8, 2))
        await assert.rejects(other.put(sent[0]!), DamagedSnapshotError)
        await other.abandon()
      })

      it('is not completed while chunks are missing, or when they are not what was promised', async () => {
        await checkpoint(8)
        const sent = await chunks(disk)
        const before = await reopened()
        const staging = await disk.records.openStaging(startAt(8, 1))
        await staging.put(sent[0]!)
        await staging.put(sent[1]!)
        await assert.rejects(staging.complete(), /chunk 2 has not come yet/)
        await assert.rejects(disk.install(staging), InvariantError)
        const wrong = lastChunk(startAt(8, 1), 2, { count: 41, sum: 7 })
        await staging.put(wrong.data)
        await assert.rejects(staging.complete(), /41 records with sum 7 were promised, and \d+ with/)
        await assert.rejects(disk.install(staging), InvariantError)
        await staging.abandon()
        assert.deepEqual(await reopened(), before, 'nothing was put in its place')
      })

      it('of no records at all is a snapshot too', async () => {
        await log(1, 2, 1)
        await writeCheckpoint(disk.records, startAt(2, 1), [])
        const sent = await chunks(disk)
        assert.equal(sent.length, 1)
        await writeCheckpoint(disk.records, startAt(2, 1), [put('a', 'one')])
        const staging = await disk.records.openStaging(startAt(2, 1))
        await putAll(staging, sent)
        await disk.install(staging)
        assert.deepEqual((await recover(disk)).records, {})
      })

      it('leaves nothing behind when it is abandoned, or when its process ended', async () => {
        await checkpoint(8)
        const sent = await chunks(disk)
        const abandoned = await disk.records.openStaging(startAt(8, 1))
        await abandoned.put(sent[0]!)
        await abandoned.abandon()
        const { records } = await reopened()
        const again = await disk.records.openStaging(startAt(8, 1))
        assert.equal(again.next, 0)
        await again.abandon()
        assert.deepEqual((await reopened()).records, records)
      })
    })

    it('agrees with a dumb twin over any sequence of checkpoints and restarts', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { maxLength: 12 }), async (steps) => {
          await elsewhere((other) => followTwin(other, steps))
        }),
        { numRuns: 60 },
      )
    })
  })
}

type Step = readonly [key: number, value: string | undefined][]

const stepArbitrary: fc.Arbitrary<Step> = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 9 }), fc.option(fc.string(), { nil: undefined })),
  { maxLength: 8 },
)

/** The twin is a plain object. Loading again checks all totals. */
async function followTwin(disk: NodeDisk, steps: readonly Step[]): Promise<void> {
  await disk.log.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 20, 1) }))
  const twin: Record<string, string> = {}
  for (const [n, step] of steps.entries()) {
    for (const [key, value] of step) {
      if (value === undefined) delete twin[key]
      else twin[key] = value
    }
    const changes = step.map(([key, value]) =>
      value === undefined ? gone(String(key)) : put(String(key), value),
    )
    await writeCheckpoint(disk.records, startAt(n + 1, 1), changes)
    assert.deepEqual((await recover(disk)).records, twin)
  }
}

export interface Recovered extends RecoveredDisk {
  readonly records: Record<string, string>
}

/** Loads, with records as text. */
export async function recover(disk: NodeDisk): Promise<Recovered> {
  const records: Record<string, string> = {}
  const recovered = await disk.load((batch) => {
    for (const { key, value } of batch) records[key] = new TextDecoder().decode(value)
  })
  return { ...plain(recovered), checkpoint: recovered.checkpoint, records }
}

export function put(key: string, text: string): RecordChange {
  return { key, value: new TextEncoder().encode(text) }
}

export function gone(key: string): RecordChange {
  return { key, value: undefined }
}

/** All chunks of a node's newest checkpoint into a completed staging of another. */
export async function transfer(from: NodeDisk, to: NodeDisk, start: LogStart): Promise<Staging> {
  const source = await from.records.openSnapshot()
  const staging = await to.records.openStaging(start)
  for (let next = staging.next; next !== undefined; next = staging.next)
    await staging.put((await source.chunk(next)).data)
  await source.close()
  await staging.complete()
  await staging.load(() => {})
  return staging
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex')
}
