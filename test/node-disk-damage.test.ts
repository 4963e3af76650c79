import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { Level } from 'level'
import { openNodeDisk } from '../src/node-disk/index.js'
import { openRecord, sealRecord } from '../src/record-store/format.js'
import { DamagedLogError, DamagedRecordsError, type NodeDisk } from '../src/replica/ports.js'
import { writeCheckpoint } from './suites/checkpoint.js'
import { run, startAt, write } from './suites/log-store-suite.js'
import { gone, put, type Recovered, recover } from './suites/node-disk-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1 }

type Outcome = 'identical' | 'earlier checkpoint' | 'damaged'

/** Faults 25 and 26: whatever happens to the files, what is loaded is what was written, or nothing is. */
describe('a data directory on a disk that lies', () => {
  let root: string
  let pristine: string
  let directory: string
  /** Records as of each checkpoint that was ever written, by its index. */
  const history = new Map<number, Record<string, string>>()
  let newest: Recovered

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'node-disk-'))
    pristine = join(root, 'pristine')
    await fill()
    // Opening changes the files: what is damaged below is as the last process left it.
    const copy = join(root, 'loaded')
    await cp(pristine, copy, { recursive: true })
    newest = await loaded(copy)
    assert.deepEqual(newest.records, history.get(newest.checkpoint!.index))
  })

  after(() => rm(root, { recursive: true }))

  beforeEach(async () => {
    directory = await mkdtemp(join(root, 'copy-'))
    await cp(pristine, directory, { recursive: true })
  })

  afterEach(() => rm(directory, { recursive: true }))

  /** A history with everything in it: compactions, tables, deletions, truncation, and a log of LevelDB's behind them. */
  async function fill(): Promise<void> {
    let disk = await openNodeDisk(pristine, IDENTITY)
    await recover(disk)
    const records: Record<string, string> = {}
    let last = 0
    for (let round = 1; round <= 6; round++) {
      const entries = run(last + 1, last + 40, round)
      for (const one of entries) {
        const payload = new TextEncoder().encode(`${one.index} `.repeat(200))
        const hardState = { term: round, vote: 1 }
        await disk.log.write(write({ hardState, entries: [{ ...one, payload }] }))
      }
      last += 40
      await checkpoint(disk, last, round, records)
      if (round === 3) await disk.log.compact(startAt(80, 2))
      // LevelDB makes a table of its log when it is opened.
      if (round === 2 || round === 4) {
        await disk.close()
        disk = await openNodeDisk(pristine, IDENTITY)
        await recover(disk)
      }
    }
    await disk.log.write(write({ hardState: { term: 7, vote: 2 }, entries: run(last + 1, last + 3, 7) }))
    await disk.close()
  }

  async function checkpoint(
    disk: NodeDisk,
    index: number,
    round: number,
    records: Record<string, string>,
  ): Promise<void> {
    const changes = []
    for (let k = 0; k < 120; k++) {
      const key = `c${(round * 37 + k * 11) % 400}`
      const text = (round + k) % 4 === 0 ? undefined : `${key} of round ${round}, ${'padding '.repeat(k % 9)}`
      changes.push(text === undefined ? gone(key) : put(key, text))
      if (text === undefined) delete records[key]
      else records[key] = text
    }
    await writeCheckpoint(disk.records, startAt(index, round), changes)
    history.set(index, { ...records })
  }

  /** Loads what is there; anything but the truth, or a typed error that says what to do, fails the test. */
  async function outcome(what: string): Promise<Outcome> {
    let found: Recovered
    try {
      found = await loaded(directory)
    } catch (error) {
      if (error instanceof DamagedLogError || error instanceof DamagedRecordsError) {
        assert.match(error.message, /damaged|is lost|begins behind|entry \d+ is of term/, what)
        assert.match(error.message, /this node must not vote/, what)
        return 'damaged'
      }
      throw new Error(`${what}: ${String(error)}`, { cause: error })
    }
    const { checkpoint: point, records, ...log } = found
    const { checkpoint: _, records: __, ...expected } = newest
    assert.deepEqual(log, expected, `${what}: another log`)
    assert.deepEqual(records, point === undefined ? {} : history.get(point.index), `${what}: other records`)
    // Replaying the log from an earlier checkpoint gives the same state, if the log still has what came after it.
    assert.ok((point?.index ?? 0) >= (log.start?.index ?? 0), `${what}: a gap`)
    return point?.index === newest.checkpoint!.index ? 'identical' : 'earlier checkpoint'
  }

  /** Every file of the directory, with `damage` done at each of some positions of it, one at a time. */
  async function everywhere(
    positions: number,
    damage: (bytes: Buffer, at: number) => Buffer,
  ): Promise<Record<string, Record<Outcome, number>>> {
    const outcomes: Record<string, Record<Outcome, number>> = {}
    for (const file of await files(directory)) {
      const kind = file.replace(/\d{6}/, 'N')
      const counts = outcomes[kind] ?? { identical: 0, 'earlier checkpoint': 0, damaged: 0 }
      outcomes[kind] = counts
      const good = await readFile(join(pristine, file))
      for (const at of spread(good.length, positions)) {
        await rm(directory, { recursive: true })
        await cp(pristine, directory, { recursive: true })
        await writeFile(join(directory, file), damage(Buffer.from(good), at))
        counts[await outcome(`${file} at ${at} of ${good.length}`)]++
      }
    }
    return outcomes
  }

  it('is what was written, or is not believed, with a bit flipped anywhere in any file (fault 25)', async (t) => {
    const outcomes = await everywhere(32, (bytes, at) => {
      bytes[at]! ^= 1 << (at % 8)
      return bytes
    })
    t.diagnostic(JSON.stringify(outcomes))
    for (const kind of ['db/N.log', 'db/N.ldb', 'db/MANIFEST-N', 'records-1/N.ldb', 'records-1/MANIFEST-N'])
      assert.ok(outcomes[kind]!.damaged > 0, `${kind}: ${JSON.stringify(outcomes[kind])}`)
    assert.ok(outcomes['records-1/N.log']!['earlier checkpoint'] > 0)
  })

  it('is what was written, or is not believed, with any file cut short (fault 26)', async (t) => {
    t.diagnostic(JSON.stringify(await everywhere(6, (bytes, at) => bytes.subarray(0, at))))
  })

  it('is what was written, or is not believed, with any file zeroed to its end (fault 26)', async (t) => {
    t.diagnostic(JSON.stringify(await everywhere(6, (bytes, at) => bytes.fill(0, at))))
  })

  it('is what was written, or is not believed, with any file gone', async (t) => {
    const outcomes: Record<string, Outcome> = {}
    for (const file of await files(directory)) {
      await rm(directory, { recursive: true })
      await cp(pristine, directory, { recursive: true })
      await rm(join(directory, file))
      outcomes[file] = await outcome(`${file} gone`)
    }
    t.diagnostic(JSON.stringify(outcomes))
  })

  it('is believed although a crash left an unfinished table in it', async () => {
    for (const name of ['db', 'records-1'])
      await writeFile(join(directory, name, '000999.ldb'), Buffer.alloc(5_000, 7))
    assert.equal(await outcome('unfinished tables'), 'identical')
  })

  describe('whose records LevelDB gives with good checksums, but not the ones that were written', () => {
    const lies: [string, (records: Level<string, Buffer>) => Promise<void>][] = [
      ['one is lost', (db) => db.del(`r/${someKey()}`)],
      ['a deleted one is back', (db) => db.put('r/c9999', sealRecord('c9999', Buffer.from('back')))],
      ['one is an older one', (db) => db.put(`r/${someKey()}`, sealRecord(someKey(), Buffer.from('older')))],
      [
        'two of one length have swapped their values',
        async (db) => {
          const [a, b] = twins()
          const [valueOfA, valueOfB] = [await db.get(`r/${a}`), await db.get(`r/${b}`)]
          await db.put(`r/${a}`, sealRecord(a, openRecord(b, valueOfB!).value))
          await db.put(`r/${b}`, sealRecord(b, openRecord(a, valueOfA!).value))
        },
      ],
      ['one is under the key of another', async (db) => db.put('r/c9999', (await db.get(`r/${someKey()}`))!)],
      ['the checkpoint is gone', (db) => db.del('checkpoint')],
      ['a record is cut short', (db) => db.put(`r/${someKey()}`, Buffer.alloc(2))],
    ]
    for (const [what, lie] of lies) {
      it(`is not believed when ${what}`, async () => {
        const records = new Level<string, Buffer>(join(directory, 'records-1'), { valueEncoding: 'buffer' })
        await lie(records)
        await records.close()
        await assert.rejects(loaded(directory), DamagedRecordsError)
      })
    }

    function someKey(): string {
      return Object.keys(newest.records)[7]!
    }

    function twins(): [string, string] {
      const entries = Object.entries(newest.records)
      for (const [a, text] of entries) {
        const twin = entries.find(
          ([b, other]) => a !== b && a.length === b.length && text.length === other.length,
        )
        if (twin !== undefined) return [a, twin[0]]
      }
      throw new Error('no two records of one length')
    }
  })

  describe('with part of it rolled back to an earlier copy', () => {
    let earlier: string

    beforeEach(async () => {
      earlier = await mkdtemp(join(root, 'earlier-'))
      await cp(directory, earlier, { recursive: true })
      const disk = await openNodeDisk(directory, IDENTITY)
      await recover(disk)
      await disk.log.write(write({ entries: run(244, 250, 7) }))
      await writeCheckpoint(disk.records, startAt(250, 7), [put('new', 'x')])
      await disk.close()
    })

    afterEach(() => rm(earlier, { recursive: true }))

    async function rollBack(name: string): Promise<void> {
      await rm(join(directory, name), { recursive: true })
      await cp(join(earlier, name), join(directory, name), { recursive: true })
    }

    it('is noticed for the log', async () => {
      await rollBack('db')
      await assert.rejects(loaded(directory), DamagedLogError)
    })

    it('is noticed for the log even without its witness: the checkpoint is ahead of it', async () => {
      await rollBack('db')
      await rollBack('witness')
      await assert.rejects(loaded(directory), /the log ends before it: its end is lost/)
    })

    it('does no harm for the records while the log has what came after', async () => {
      await rollBack('records-1')
      const { checkpoint: point, records, entries } = await loaded(directory)
      assert.deepEqual(point, newest.checkpoint)
      assert.deepEqual(records, newest.records)
      assert.equal(entries.at(-1)!.index, 250)
    })

    it('is noticed for the records once the log has forgotten what came after', async () => {
      const disk = await openNodeDisk(directory, IDENTITY)
      await recover(disk)
      await disk.log.compact(startAt(245, 7))
      await disk.close()
      await rollBack('records-1')
      await assert.rejects(loaded(directory), DamagedRecordsError)
    })

    it('does no harm for the witness', async () => {
      await rollBack('witness')
      assert.equal((await loaded(directory)).entries.at(-1)!.index, 250)
    })

    it('can not be noticed for all of it: only the peers remember', async () => {
      for (const name of ['db', 'records-1', 'witness']) await rollBack(name)
      assert.deepEqual(await loaded(directory), newest)
    })
  })

  it('loses nothing to a torn end of the log, and says so when the end was acknowledged', async () => {
    const log = (await files(directory)).find((file) => /^db\/\d+\.log$/.test(file))!
    const { length } = await readFile(join(directory, log))
    await truncate(join(directory, log), length - 1)
    await assert.rejects(
      loaded(directory),
      /has acknowledged write \d+, and the newest one found is write \d+/,
    )
  })
})

async function loaded(directory: string): Promise<Recovered> {
  const disk = await openNodeDisk(directory, IDENTITY)
  try {
    return await recover(disk)
  } finally {
    await disk.close()
  }
}

/** Those that hold data: LOCK is empty, LOG is for people. */
async function files(directory: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && !/^LO(CK|G|G\.old)$/.test(entry.name))
      found.push(join(entry.parentPath, entry.name).slice(directory.length + 1))
  }
  return found.sort()
}

/** Some of the positions of a file, evenly, and its first and last bytes. */
function spread(length: number, positions: number): number[] {
  const step = Math.max(1, length / positions)
  const some = Array.from({ length: Math.min(positions, length) }, (_, k) => Math.floor(k * step))
  return [...new Set([...some, length - 1])].filter((at) => at >= 0)
}
