import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { crc32 } from 'node:zlib'
import { Level } from 'level'
import type { Entry } from '../raft/index.js'
import {
  FailedDiskError,
  ForeignDataError,
  LockedDirectoryError,
  UnusableDirectoryError,
} from '../src/leveldb/errors.js'
import { encodeEntry, encodeHardState } from '../src/log-store/format.js'
import { type Identity, openLevelLog } from '../src/log-store/index.js'
import { DamagedLogError, type LogStore, type RecoveredLog } from '../src/replica/ports.js'
import { entry, logStoreSuite, plain, run, startAt, write } from './suites/log-store-suite.js'
import { MemoryDisk } from './suites/memory-disk.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1 }

async function openLog(directory: string, identity: Identity): Promise<LogStore> {
  return (await openLevelLog(directory, identity)).log
}

logStoreSuite('MemoryDisk', async () => {
  const disk = new MemoryDisk({ sync: setImmediate, random: () => 0 })
  return { open: async () => disk.open().log, dispose: async () => {} }
})

logStoreSuite('LevelDB', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'log-store-'))
  return {
    open: () => openLog(directory, IDENTITY),
    dispose: () => rm(directory, { recursive: true }),
  }
})

describe('a memory disk that crashes', () => {
  const first = write({ hardState: { term: 1, vote: 1 }, entries: run(1, 2, 1) })
  const second = write({ hardState: { term: 2, vote: 2 }, truncateFrom: 2, entries: run(2, 3, 2) })

  async function crashedInSecondWrite(random: () => number): Promise<RecoveredLog> {
    const syncs: (() => void)[] = []
    const disk = new MemoryDisk({ sync: (done) => syncs.push(done), random })
    const store = disk.open().log
    await store.load()
    const firstWritten = store.write(first)
    syncs.shift()?.()
    await firstWritten
    const settled: string[] = []
    store.write(second).finally(() => settled.push('second'))
    disk.crash()
    syncs.shift()?.()
    await new Promise(setImmediate)
    assert.deepEqual(settled, [], 'a dead process hears of nothing')
    return disk.open().log.load()
  }

  it('keeps what resolved, and loses the write in flight as a whole', async () => {
    assert.deepEqual(await crashedInSecondWrite(() => 0.9), {
      hardState: { term: 1, vote: 1 },
      start: undefined,
      entries: run(1, 2, 1),
    })
  })

  it('or keeps the write in flight as a whole', async () => {
    const entries = [...run(1, 1, 1), ...run(2, 3, 2)]
    assert.deepEqual(await crashedInSecondWrite(() => 0.1), {
      hardState: { term: 2, vote: 2 },
      start: undefined,
      entries,
    })
  })
})

describe('a LevelDB data directory', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'log-store-'))
  })

  afterEach(() => rm(directory, { recursive: true, force: true }))

  /** One write for each entry, so that each has a record of its own in LevelDB's log. */
  async function fill(entries: readonly Entry[]): Promise<void> {
    const store = await openLog(directory, IDENTITY)
    await store.load()
    await store.write(write({ hardState: { term: 9, vote: 1 } }))
    for (const one of entries) await store.write(write({ entries: [one] }))
    await store.close()
  }

  async function load(): Promise<RecoveredLog> {
    const store = await openLog(directory, IDENTITY)
    try {
      return plain(await store.load())
    } finally {
      await store.close()
    }
  }

  /** Changes the database behind the store's back, as a bug or a bad disk would. */
  async function tamper(change: (database: Level<string, Buffer>) => Promise<void>): Promise<void> {
    const database = new Level<string, Buffer>(join(directory, 'db'), { valueEncoding: 'buffer' })
    await change(database)
    await database.close()
  }

  async function outcomeOf(entries: readonly Entry[]): Promise<'complete' | 'shorter' | 'damaged'> {
    try {
      const recovered = await load()
      assert.deepEqual(recovered.entries, entries.slice(0, recovered.entries.length))
      return recovered.entries.length === entries.length ? 'complete' : 'shorter'
    } catch (error) {
      if (error instanceof DamagedLogError) return 'damaged'
      throw error
    }
  }

  describe('whose it is', () => {
    it('is created with all folders above it', async () => {
      directory = join(directory, 'not', 'yet', 'there')
      await fill(run(1, 1, 1))
      assert.deepEqual((await load()).entries, run(1, 1, 1))
    })

    it('is refused to another node of the cluster', async () => {
      await fill([])
      await assert.rejects(openLog(directory, { clusterId: 'blue', nodeId: 2 }), (error) => {
        assert.ok(error instanceof ForeignDataError)
        assert.match(error.message, /belongs to node 1, and this is node 2: correct the configuration/)
        return true
      })
    })

    it('is refused to another cluster', async () => {
      await fill([])
      await assert.rejects(openLog(directory, { clusterId: 'green', nodeId: 1 }), (error) => {
        assert.ok(error instanceof ForeignDataError)
        assert.match(error.message, /belongs to cluster 'blue', and this is cluster 'green'/)
        return true
      })
    })

    it("is still its owner's after a stranger was refused", async () => {
      await fill(run(1, 2, 1))
      await assert.rejects(openLog(directory, { clusterId: 'green', nodeId: 1 }), ForeignDataError)
      assert.deepEqual((await load()).entries, run(1, 2, 1))
    })

    it('is refused while another process has it open', async () => {
      await fill([])
      const script = `
        import { openLevelLog } from ${JSON.stringify(new URL('../src/log-store/index.js', import.meta.url).href)}
        await openLevelLog(${JSON.stringify(directory)}, ${JSON.stringify(IDENTITY)})
        process.stdout.write('open')
        setInterval(() => {}, 1000)`
      const other = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        await once(other.stdout, 'data')
        await assert.rejects(load(), (error) => {
          assert.ok(error instanceof LockedDirectoryError)
          assert.match(error.message, /in use by another process: stop that process/)
          return true
        })
      } finally {
        other.kill('SIGKILL')
        await once(other, 'exit')
      }
      assert.deepEqual((await load()).entries, [], 'the lock died with its process')
    })

    it('is refused where a file is in its place', async () => {
      directory = join(directory, 'file')
      await writeFile(directory, '')
      await assert.rejects(load(), UnusableDirectoryError)
    })

    it('is refused where it may not be read', async () => {
      await fill([])
      await chmod(directory, 0o000)
      const root = process.geteuid?.() === 0
      if (root) process.seteuid?.('nobody')
      try {
        await assert.rejects(load(), UnusableDirectoryError)
      } finally {
        if (root) process.seteuid?.(0)
        await chmod(directory, 0o700)
      }
    })

    it('survives a first start that was interrupted', async () => {
      const unfinished = new Level(join(directory, 'db.unfinished'))
      await unfinished.open()
      await unfinished.close()
      assert.deepEqual((await load()).entries, [])
    })

    it('is not taken for a new one when LevelDB has lost its CURRENT', async () => {
      await fill(run(1, 3, 1))
      await rm(join(directory, 'db', 'CURRENT'))
      await assert.rejects(load(), DamagedLogError)
    })
  })

  describe('damaged', () => {
    const damage: [string, RegExp, (database: Level<string, Buffer>) => Promise<void>][] = [
      [
        'an entry is missing from the middle',
        /log\/0000000000000003/,
        (db) => db.del('log/0000000000000003'),
      ],
      ['the first entry is missing', /log\/0000000000000001/, (db) => db.del('log/0000000000000001')],
      ['a strange key stands among the entries', /log\/zebra/, (db) => db.put('log/zebra', Buffer.alloc(30))],
      ['a strange key stands beside them', /hard-statf/, (db) => db.put('hard-statf', Buffer.alloc(30))],
      ['the hard state is missing', /hard-state/, (db) => db.del('hard-state')],
      ['the identity is missing', /identity/, (db) => db.del('identity')],
      [
        'the hard state is behind the log',
        /entries of term 1/,
        (db) =>
          db.put(
            'hard-state',
            encodeHardState({ term: 0, vote: 0 }, { lastIndex: 5, lastTerm: 1, writes: 6 }),
          ),
      ],
      [
        'terms go back',
        /term 0 stands behind term 1/,
        (db) => db.put('log/0000000000000003', encodeEntry(entry(3, 0, ''), 1)),
      ],
      ['an entry is cut short', /too few/, (db) => db.put('log/0000000000000002', Buffer.alloc(3))],
      [
        'the last entry is missing',
        /should end with entry 5 of term 1, and ends with entry 4/,
        (db) => db.del('log/0000000000000005'),
      ],
      ['an entry stands under the key of another', /checksum does not match/, (db) => move(db, 4, 2)],
    ]
    for (const [what, message, change] of damage) {
      it(`is found when ${what}`, async () => {
        await fill(run(1, 5, 1))
        await tamper(change)
        await assert.rejects(load(), (error) => {
          assert.ok(error instanceof DamagedLogError)
          assert.match(error.message, message)
          assert.match(error.message, /must not vote/)
          return true
        })
      })
    }

    it('is found in every single byte of every value', async () => {
      await fill([entry(1, 1, 'one'), entry(2, 2, '')])
      for (const key of ['identity', 'hard-state', 'log/0000000000000001', 'log/0000000000000002']) {
        await tamper(async (database) => {
          const good = await database.get(key)
          assert.ok(good !== undefined)
          for (let at = 0; at < good.length; at++) {
            const bad = Buffer.from(good)
            bad[at]! ^= 1 << (at % 8)
            await database.put(key, bad)
            await database.close()
            await assert.rejects(load(), DamagedLogError, `${key}, byte ${at}`)
            await database.open()
          }
          await database.put(key, good)
        })
      }
      assert.equal((await load()).entries.length, 2)
    })

    it('is found when the disk forgot a truncation, although no index is missing', async () => {
      await fill(run(1, 5, 1))
      const forgotten = new Map<string, Buffer>()
      await tamper(async (database) => {
        for (const key of ['log/0000000000000004', 'log/0000000000000005'])
          forgotten.set(key, (await database.get(key))!)
      })
      const store = await openLog(directory, IDENTITY)
      await store.load()
      await store.write(write({ truncateFrom: 4, entries: run(4, 5, 2) }))
      await store.write(write({ entries: run(6, 6, 3) }))
      await store.close()
      await tamper(async (database) => {
        for (const [key, value] of forgotten) await database.put(key, value)
      })
      await assert.rejects(load(), /behind an entry of term 2, and now stands behind one of term 1/)
    })

    it("a flipped byte anywhere in LevelDB's own log never yields another log, nor a shorter one", async () => {
      // LevelDB gives up the rest of a 32 KiB block: the log must have several of them to lose its middle.
      const entries = Array.from({ length: 60 }, (_, k) => entry(k + 1, 1, 'x'.repeat(2_000)))
      await fill(entries)
      const database = join(directory, 'db')
      const pristine = join(directory, 'pristine')
      await cp(database, pristine, { recursive: true })
      const log = await writeAheadLog(database)
      const bytes = await readFile(log)
      const outcomes = { complete: 0, shorter: 0, damaged: 0 }
      for (let k = 0; k < 40; k++) {
        await rm(database, { recursive: true })
        await cp(pristine, database, { recursive: true })
        const bad = Buffer.from(bytes)
        bad[Math.floor(((k + 0.5) * bytes.length) / 40)]! ^= 0x10
        await writeFile(log, bad)
        outcomes[await outcomeOf(entries)]++
      }
      assert.ok(outcomes.damaged > 0, JSON.stringify(outcomes))
      assert.equal(outcomes.shorter, 0)
    })
  })

  it('of format 1 is read, goes on in format 2, and has a witness from then on', async () => {
    const store = await openLog(directory, IDENTITY)
    await store.close()
    await rm(join(directory, 'witness'))
    const numbers = (...values: number[]) => values.map((n) => n.toString(16).padStart(12, '0')).join('')
    await tamper(async (database) => {
      await database.put('identity', formatOne(Buffer.from(JSON.stringify(IDENTITY))))
      await database.put('hard-state', formatOne(Buffer.from(numbers(2, 3), 'hex')))
      await database.put('log/0000000000000001', formatOne(Buffer.from(`${numbers(1, 1, 0)}6f6e65`, 'hex')))
      await database.put('log/0000000000000002', formatOne(Buffer.from(numbers(2, 2, 1), 'hex')))
    })
    const entries = [entry(1, 1, 'one'), entry(2, 2, '')]
    assert.deepEqual(await load(), { hardState: { term: 2, vote: 3 }, start: undefined, entries })
    const upgraded = await openLog(directory, IDENTITY)
    await upgraded.load()
    await upgraded.write(write({ entries: run(3, 3, 2) }))
    await upgraded.close()
    assert.deepEqual((await load()).entries, [...entries, ...run(3, 3, 2)])
    await rm(join(directory, 'witness'))
    await assert.rejects(load(), DamagedLogError)
  })

  it('passes over what an interrupted compaction left, and the next one takes it along', async () => {
    await fill(run(1, 5, 1))
    const left = new Map<string, Buffer>()
    await tamper(async (database) => {
      for (const key of ['log/0000000000000001', 'log/0000000000000003'])
        left.set(key, (await database.get(key))!)
    })
    const store = await openLog(directory, IDENTITY)
    await store.load()
    await store.compact(startAt(3, 1))
    await store.close()
    await tamper(async (database) => {
      for (const [key, value] of left) await database.put(key, value)
    })
    assert.deepEqual(await load(), {
      hardState: { term: 9, vote: 1 },
      start: startAt(3, 1),
      entries: run(4, 5, 1),
    })
    const next = await openLog(directory, IDENTITY)
    await next.load()
    await next.compact(startAt(4, 1))
    await next.close()
    await tamper(async (database) => {
      assert.deepEqual(await database.keys({ gt: 'log/' }).all(), ['log/0000000000000005'])
    })
  })

  it('takes a write as a whole or not at all, wherever a power cut tears it', async () => {
    const before = run(1, 5, 1)
    await fill(before)
    const database = join(directory, 'db')
    const pristine = join(directory, 'pristine')
    const witness = await readFile(join(directory, 'witness'))
    const store = await openLog(directory, IDENTITY)
    await store.load()
    await store.write(write({}))
    const log = await writeAheadLog(database)
    const start = (await readFile(log)).length
    await store.write(write({ hardState: { term: 10, vote: 3 }, truncateFrom: 4, entries: run(4, 4, 10) }))
    await store.close()
    await cp(database, pristine, { recursive: true })
    const end = (await readFile(log)).length
    for (let cut = start; cut <= end; cut++) {
      await rm(database, { recursive: true })
      await cp(pristine, database, { recursive: true })
      await truncate(log, cut)
      // What was torn was not acknowledged yet.
      await writeFile(join(directory, 'witness'), witness)
      const after = {
        hardState: { term: 10, vote: 3 },
        start: undefined,
        entries: [...run(1, 3, 1), ...run(4, 4, 10)],
      }
      assert.deepEqual(
        await load(),
        cut < end ? { hardState: { term: 9, vote: 1 }, start: undefined, entries: before } : after,
        `cut at ${cut}`,
      )
    }
  })

  describe('on a disk that fails', () => {
    it('rejects the write, and every write after it', async () => {
      const store = await openLog(directory, IDENTITY)
      await store.load()
      await store.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 1, 1) }))
      const large = { index: 2, term: 1, payload: new Uint8Array(300_000) }
      fileSizeLimit('100000')
      try {
        await assert.rejects(store.write(write({ entries: [large] })), (error) => {
          assert.ok(error instanceof FailedDiskError)
          assert.match(error.message, /may or may not be there: stop this node/)
          return true
        })
      } finally {
        fileSizeLimit('unlimited')
      }
      await assert.rejects(
        store.write(write({ entries: run(2, 2, 1) })),
        FailedDiskError,
        'although there is room again',
      )
      await store.close()
      assert.deepEqual((await load()).entries[0], run(1, 1, 1)[0], 'what was acknowledged is there')
    })
  })
})

async function move(database: Level<string, Buffer>, from: number, to: number): Promise<void> {
  const value = await database.get(`log/${String(from).padStart(16, '0')}`)
  await database.put(`log/${String(to).padStart(16, '0')}`, value!)
}

/** Sealed as format 1 did: the checksum covers neither key nor version. */
function formatOne(content: Buffer): Buffer {
  const value = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), content])
  value.writeUInt32BE(crc32(content), 1)
  return value
}

async function writeAheadLog(database: string): Promise<string> {
  const logs = (await readdir(database)).filter((name) => name.endsWith('.log'))
  assert.equal(logs.length, 1)
  return join(database, logs[0]!)
}

/** The soft limit of this process: a real failure of a real write, as a full disk would give it. */
function fileSizeLimit(bytes: string): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`])
}
