import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openLevel } from '../src/leveldb/database.js'
import { encodeIdentity, IDENTITY_KEY } from '../src/log-store/format.js'
import { Witness } from '../src/log-store/witness.js'
import {
  type LevelNodeDisk,
  openNodeDisk,
  renewNodeDisk,
  restoreNodeDisk,
  SET_ASIDE,
  seedNodeDisk,
} from '../src/node-disk/index.js'
import { LevelRecordStore } from '../src/record-store/index.js'
import { DamagedLogError, DamagedRecordsError } from '../src/replica/ports.js'
import { writeCheckpoint } from './suites/checkpoint.js'
import { run, startAt, write } from './suites/log-store-suite.js'
import { put, transfer } from './suites/node-disk-suite.js'
import { type Cut, powerCuts } from './suites/power-cuts.js'

/** Longer than the witness may be behind. */
const SYNCED_MS = 150
const IDENTITY = { clusterId: 'blue', nodeId: 3 }
const NEXT = { ...IDENTITY, nodeId: 1_003, votes: true }

interface Found {
  readonly nodeId: number
  readonly disk: number
  readonly term: number
  readonly start: number
  readonly last: number
  readonly records: readonly string[]
}

/** Faults 8, 24: every step that is not synced may be lost, and those before it kept. */
describe('the power goes', () => {
  let root: string
  let directory: string
  let open: LevelNodeDisk[] = []

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'power-'))
    directory = join(root, 'data')
  })

  afterEach(async () => {
    for (const disk of open) await disk.close()
    open = []
    await rm(root, { recursive: true })
  })

  it('while a directory is made: it is the same disk of the node ever after, or was never opened', async () => {
    let disk = 0
    const cuts = await powerCuts(directory, async () => {
      disk = (await use(directory)).identity.disk
    })
    for (const cut of cuts) {
      const found = await next(cut)
      assert.ok(found !== 'damaged', cut.name)
      if (cut.isAfterwards) assert.equal(found.disk, disk, cut.name)
    }
  })

  it('while a directory of an earlier version is given a number: it keeps that', async () => {
    await (await openNodeDisk(directory, IDENTITY)).close()
    const raw = await openLevel(join(directory, 'db'), { createIfMissing: false })
    await raw.put(IDENTITY_KEY, encodeIdentity({ ...IDENTITY, disk: undefined as unknown as number }))
    await raw.close()
    let disk = 0
    const cuts = await powerCuts(directory, async () => {
      disk = (await use(directory)).identity.disk
    })
    for (const cut of cuts.filter(({ isAfterwards }) => isAfterwards))
      assert.equal(found(await next(cut)).disk, disk, cut.name)
  })

  it('after a write: it is there', async () => {
    const disk = await use(directory)
    const cuts = await powerCuts(directory, async () => {
      await disk.log.write(write({ hardState: { term: 7, vote: 3 }, entries: run(1, 9, 7) }))
      await disk.log.write(write({ truncateFrom: 8, entries: run(8, 9, 7) }))
    })
    for (const cut of cuts.filter(({ isAfterwards }) => isAfterwards)) {
      const { term, last } = found(await next(cut))
      assert.deepEqual([term, last], [7, 9], cut.name)
    }
  })

  it('at any time: the write counter is behind what was acknowledged by the last tenth of a second at most', async () => {
    const cuts = await powerCuts(directory, async () => {
      const disk = await use(directory)
      for (let index = 1; index <= 5; index++) {
        await disk.log.write(write({ hardState: { term: 1, vote: 3 }, entries: run(index, index, 1) }))
        await sleep(SYNCED_MS)
      }
    })
    for (const cut of cuts.filter(({ isAfterwards }) => isAfterwards)) {
      const witness = await Witness.open(cut.directory)
      assert.ok((witness?.acknowledged ?? 0) >= 4, cut.name)
      await witness?.close()
    }
  })

  it('while a checkpoint is written and the log before it forgotten: nothing is missing', async () => {
    const disk = await use(directory)
    await disk.log.write(write({ hardState: { term: 1, vote: 3 }, entries: run(1, 40, 1) }))
    await writeCheckpoint(disk.records, startAt(10, 1), [put('old', 'x')])
    await disk.log.compact(startAt(10, 1))
    const cuts = await powerCuts(directory, async () => {
      await writeCheckpoint(disk.records, startAt(30, 1), [put('new', 'y')])
      await disk.log.compact(startAt(20, 1))
      await disk.log.write(write({ entries: run(41, 41, 1) }))
    })
    for (const cut of cuts) {
      const { start, records } = found(await next(cut), cut)
      assert.ok(records.length === 2 || start === 10, cut.name)
      if (cut.isAfterwards) assert.deepEqual([start, records], [20, ['new', 'old']], cut.name)
    }
  })

  it('while a snapshot is installed: the disk is as before, or the snapshot is in force and whole', async () => {
    const sender = await use(join(root, 'sender'))
    await sender.log.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 50, 2) }))
    await writeCheckpoint(sender.records, startAt(50, 2), [put('a', 'x'), put('b', 'y')])
    const disk = await use(directory)
    await disk.log.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 9, 1) }))
    await writeCheckpoint(disk.records, startAt(5, 1), [put('old', 'x')])
    const cuts = await powerCuts(directory, async () => {
      await disk.install(await transfer(sender, disk, startAt(50, 2)))
    })
    for (const cut of cuts) {
      const { last, records } = found(await next(cut), cut)
      if (records.includes('old')) assert.deepEqual([last, records], [9, ['old']], cut.name)
      else assert.deepEqual([last, records], [50, ['a', 'b']], cut.name)
      if (cut.isAfterwards) assert.equal(last, 50, cut.name)
    }
  })

  it('once a snapshot is complete, and not in force yet: all of it is there', async () => {
    const sender = await use(join(root, 'sender'))
    await sender.log.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 50, 2) }))
    await writeCheckpoint(sender.records, startAt(50, 2), [put('a', 'x'), put('b', 'y')])
    const disk = await use(directory)
    const cuts = await powerCuts(directory, async () => {
      const source = await sender.records.openSnapshot()
      const staging = await disk.records.openStaging(startAt(50, 2))
      for (let next = staging.next; next !== undefined; next = staging.next)
        await staging.put((await source.chunk(next)).data)
      await source.close()
      await staging.complete()
    })
    for (const cut of cuts.filter(({ isAfterwards }) => isAfterwards)) {
      const store = await LevelRecordStore.open(cut.directory, 2)
      assert.deepEqual(await store.load(() => {}), startAt(50, 2), cut.name)
      await store.close()
    }
  })

  it('while a disk is replaced by an empty one of the next life: it is never an empty disk of the life before', async () => {
    await live()
    const cuts = await powerCuts(directory, () => renewNodeDisk(directory, NEXT))
    const outcomes = new Set<string>()
    let isInPlace = false
    for (const cut of cuts) {
      const was = await next(cut)
      isInPlace ||= /rename to db,/.test(cut.name)
      outcomes.add(was === 'damaged' ? was : String(was.nodeId))
      if (was === 'damaged' && !isInPlace) {
        await renewNodeDisk(cut.directory, NEXT)
        const kept = await LevelRecordStore.open(join(cut.directory, SET_ASIDE), 1)
        assert.deepEqual(await kept.load(() => {}), startAt(5, 1), `kept after ${cut.name}`)
        await kept.close()
      }
      if (was === 'damaged') continue
      if (was.nodeId === IDENTITY.nodeId) assert.equal(was.last, 9, cut.name)
      if (cut.isAfterwards) assert.equal(was.nodeId, NEXT.nodeId, cut.name)
    }
    assert.deepEqual([...outcomes].sort(), ['1003', '3', 'damaged'])
  })

  it('while a disk is restored: it is as it was before, or whole', async () => {
    await live()
    const sender = await use(join(root, 'sender'))
    await sender.log.write(write({ hardState: { term: 4, vote: 1 }, entries: run(1, 20, 4) }))
    await writeCheckpoint(sender.records, startAt(20, 4), [put('new', 'x')])
    const checkpoint = await sender.records.openSnapshot()
    const identity = { ...IDENTITY, disk: 77 }
    const hardState = { term: 5, vote: 1 }
    const content = { identity, hardState, start: startAt(20, 4), checkpoint, entries: run(21, 30, 5) }
    const cuts = await powerCuts(directory, () => restoreNodeDisk(directory, content))
    await checkpoint.close()
    for (const cut of cuts) {
      const was = found(await next(cut), cut)
      if (was.disk !== 77) assert.ok(was.last === 9 && !cut.isAfterwards, cut.name)
      else assert.deepEqual([was.term, was.last, was.records], [5, 30, ['new']], cut.name)
    }
  })

  it('while a disk is made from a backup: once that is done it is whole, and before, it is not begun, damaged or whole', async () => {
    const records = [put('m', 'x')]
    const cuts = await powerCuts(directory, () => seedNodeDisk(directory, IDENTITY, startAt(12, 4), records))
    let isBegun = false
    for (const cut of cuts) {
      const was = await next(cut)
      isBegun ||= /rename to (witness|records-1|db)/.test(cut.name)
      if (was === 'damaged') assert.ok(!cut.isAfterwards, cut.name)
      else if (was.start === 0) assert.ok(!isBegun || /lost: rename/.test(cut.name), cut.name)
      else assert.deepEqual([was.start, was.term, was.records], [12, 4, ['m']], cut.name)
    }
  })

  async function use(at: string): Promise<LevelNodeDisk> {
    const disk = await openNodeDisk(at, IDENTITY)
    open.push(disk)
    await disk.load(() => {})
    return disk
  }

  /** A node that has acknowledged something, and does not run. */
  async function live(): Promise<void> {
    const disk = await openNodeDisk(directory, IDENTITY)
    await disk.load(() => {})
    await disk.log.write(write({ hardState: { term: 1, vote: 3 }, entries: run(1, 9, 1) }))
    await writeCheckpoint(disk.records, startAt(5, 1), [put('old', 'x')])
    await disk.log.compact(startAt(5, 1))
    await disk.close()
  }
})

/** What the next process finds. */
async function next(cut: Cut): Promise<Found | 'damaged'> {
  let disk: LevelNodeDisk | undefined
  try {
    disk = await openNodeDisk(cut.directory, IDENTITY)
    const records: string[] = []
    const { hardState, start, entries } = await disk.load((some) =>
      records.push(...some.map(({ key }) => key)),
    )
    const begin = start?.index ?? 0
    return { ...disk.identity, term: hardState.term, start: begin, last: begin + entries.length, records }
  } catch (error) {
    if (error instanceof DamagedLogError || error instanceof DamagedRecordsError) return 'damaged'
    throw new Error(cut.name, { cause: error })
  } finally {
    await disk?.close()
  }
}

function found(was: Found | 'damaged', cut?: Cut): Found {
  assert.ok(was !== 'damaged', cut?.name)
  return was
}
