import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { FailedDiskError } from '../src/leveldb/errors.js'
import { openLevelLog } from '../src/log-store/index.js'
import { openNodeDisk } from '../src/node-disk/index.js'
import { openRecords } from '../src/record-store/directories.js'
import { rowKey } from '../src/record-store/format.js'
import { LevelRecordStore } from '../src/record-store/index.js'
import type { NodeDisk } from '../src/replica/ports.js'
import { writeCheckpoint } from './suites/checkpoint.js'
import { run, startAt, write } from './suites/log-store-suite.js'
import { MemoryDisk } from './suites/memory-disk.js'
import { put, type Recovered, recover, transfer } from './suites/node-disk-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1 }
const OLD = { start: startAt(3, 1), checkpoint: startAt(5, 1), last: 9 }
const NEW = { start: startAt(20, 2), checkpoint: startAt(20, 2), last: 20 }

/** Fault 19: a crash before and after every step. */
describe('a snapshot that is installed', () => {
  let root: string
  let directory: string

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'node-disk-'))
    directory = join(root, 'follower')
    await onDisk(join(root, 'leader'), async (leader) => {
      await leader.log.write(
        write({ hardState: { term: 2, vote: 1 }, entries: [...run(1, 10, 1), ...run(11, 20, 2)] }),
      )
      const changes = Array.from({ length: 3_000 }, (_, k) => put(`k${k}`, 'v'.repeat(200)))
      await writeCheckpoint(leader.records, startAt(20, 2), changes)
    })
    await onDisk(directory, async (follower) => {
      await follower.log.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 9, 1) }))
      await writeCheckpoint(follower.records, startAt(5, 1), [put('of old', 'x')])
      await follower.log.compact(startAt(3, 1))
    })
  })

  afterEach(() => rm(root, { recursive: true }))

  /** What the next process finds; it can write on, and what it doesn't need is gone. */
  async function next(where: string): Promise<'old' | 'new'> {
    return onDisk(where, async (disk, found) => {
      const is = found.checkpoint?.index === 20 ? 'new' : 'old'
      const { start, checkpoint, last } = is === 'new' ? NEW : OLD
      assert.deepEqual(found.start, start)
      assert.deepEqual(found.checkpoint, checkpoint)
      assert.deepEqual(found.entries, run(start.index + 1, last, 1))
      assert.equal(Object.keys(found.records).length, is === 'new' ? 3_000 : 1)
      assert.deepEqual(found.hardState, { term: 2, vote: 1 })
      assert.equal((await recordsIn(where)).length, 1)
      await disk.log.write(write({ entries: run(last + 1, last + 1, 2) }))
      await writeCheckpoint(disk.records, startAt(last + 1, 2), [put('more', 'y')])
      return is
    })
  }

  it('is there whole or not at all after each step (fault 19)', async () => {
    const { log, generation } = await openLevelLog(directory, IDENTITY)
    const records = await LevelRecordStore.open(directory, generation)
    await log.load()
    const outcomes: Record<string, string> = {}
    const crashAfter = async (step: string, change?: (copy: string) => Promise<void>) => {
      const copy = join(root, 'copy')
      await cp(directory, copy, { recursive: true })
      await change?.(copy)
      outcomes[step] = await next(copy)
      await rm(copy, { recursive: true })
    }
    await onDisk(join(root, 'leader'), async (leader) => {
      const source = await leader.records.openSnapshot()
      const staging = await records.openStaging(source.start)
      await crashAfter('staging opened')
      await staging.put((await source.chunk(0)).data)
      await crashAfter('first chunk')
      for (let wanted = staging.next; wanted !== undefined; wanted = staging.next)
        await staging.put((await source.chunk(wanted)).data)
      await crashAfter('last chunk')
      await staging.complete()
      await crashAfter('completed')
      await staging.load(() => {})
      await crashAfter('loaded')
      await log.install(staging)
      await crashAfter('installed')
      await crashAfter('old records half removed', (copy) => rm(join(copy, 'records-1', 'CURRENT')))
      await records.adopt(staging)
      await crashAfter('adopted')
    })
    await log.close()
    await records.close()
    assert.deepEqual(outcomes, {
      'staging opened': 'old',
      'first chunk': 'old',
      'last chunk': 'old',
      completed: 'old',
      loaded: 'old',
      installed: 'new',
      'old records half removed': 'new',
      adopted: 'new',
    })
  })

  it('whose records are not read as they were written is a failed disk, and not the loss of what is in force', async () => {
    await onDisk(directory, async (disk) => {
      const staging = await onDisk(join(root, 'leader'), async (leader) => {
        const source = await leader.records.openSnapshot()
        const opened = await disk.records.openStaging(source.start)
        for (let wanted = opened.next; wanted !== undefined; wanted = opened.next)
          await opened.put((await source.chunk(wanted)).data)
        await opened.complete()
        return opened
      })
      const staged = await openRecords(directory, 2)
      await staged.del(rowKey('k7'))
      await staged.close()
      await assert.rejects(
        staging.load(() => {}),
        FailedDiskError,
      )
      await staging.abandon()
    })
    assert.equal(await next(directory), 'old')
  })

  it('is there whole or not at all wherever the process is killed (fault 19)', async () => {
    const script = `
      import { openNodeDisk } from ${JSON.stringify(new URL('../src/node-disk/index.js', import.meta.url).href)}
      import { transfer, recover } from ${JSON.stringify(new URL('./suites/node-disk-suite.js', import.meta.url).href)}
      const leader = await openNodeDisk(process.argv[1], ${JSON.stringify(IDENTITY)})
      const follower = await openNodeDisk(process.argv[2], ${JSON.stringify(IDENTITY)})
      await recover(leader)
      await recover(follower)
      process.stdout.write('start')
      const staging = await transfer(leader, follower, ${JSON.stringify(NEW.start)})
      process.stdout.write('staged')
      await follower.install(staging)
      process.stdout.write('installed')
      setInterval(() => {}, 1000)`
    const outcomes: string[] = []
    for (let trial = 0; trial < 12; trial++) {
      const copy = join(root, 'copy')
      await cp(directory, copy, { recursive: true })
      const args = ['--input-type=module', '-e', script, join(root, 'leader'), copy]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(child, 'exit')
      try {
        let told = ''
        const until = ['start', 'staged', 'staged', 'installed'][trial % 4]!
        while (!told.includes(until)) told += String((await once(child.stdout, 'data'))[0])
        if (trial % 4 === 2) await new Promise((resolve) => setTimeout(resolve, trial / 2))
      } finally {
        child.kill('SIGKILL')
        await exited
      }
      const found = await next(copy)
      if (trial % 4 === 3) assert.equal(found, 'new', 'what was installed stays')
      outcomes.push(found)
      await rm(copy, { recursive: true })
    }
    assert.ok(outcomes.includes('old') && outcomes.includes('new'), outcomes.join())
  })

  it('breaks off a snapshot that this node was sending', async () => {
    await onDisk(join(root, 'leader'), async (leader) => {
      await onDisk(directory, async (follower) => {
        const source = await follower.records.openSnapshot()
        await source.chunk(0)
        await follower.install(await transfer(leader, follower, NEW.start))
        await assert.rejects(source.chunk(1))
        await source.close()
      })
    })
    assert.equal(await next(directory), 'new')
  })

  it('changes nothing when the log can not be written', async () => {
    await onDisk(join(root, 'leader'), async (leader) => {
      await onDisk(directory, async (follower) => {
        const staging = await transfer(leader, follower, NEW.start)
        Object.assign(follower.log, { install: () => Promise.reject(new FailedDiskError('no room')) })
        await assert.rejects(follower.install(staging), FailedDiskError)
      })
    })
    assert.equal(await next(directory), 'old')
  })

  it('that the memory disk loses in a crash leaves all of the old, or all of the new', async () => {
    for (const random of [0.1, 0.9]) {
      let hold = false
      const options = {
        sync: (done: () => void) => (hold ? undefined : setImmediate(done)),
        random: () => random,
      }
      const memory = new MemoryDisk(options)
      const disk = memory.open()
      await recover(disk)
      await disk.log.write(write({ hardState: { term: 2, vote: 1 }, entries: run(1, 9, 1) }))
      await writeCheckpoint(disk.records, startAt(5, 1), [put('of old', 'x')])
      const staging = await onDisk(join(root, 'leader'), (leader) => transfer(leader, disk, NEW.start))
      hold = true
      disk.install(staging).then(() => assert.fail('a dead process hears of nothing'))
      memory.crash()
      const found = await recover(memory.open())
      const expected = random < 0.5 ? NEW : { ...OLD, start: undefined }
      assert.deepEqual(found.start, expected.start)
      assert.deepEqual(found.checkpoint, expected.checkpoint)
    }
  })

  /** Fault 29, as far as the stores go, on a small file system of its own in memory. */
  it('stays as it was when a checkpoint does not fit on the disk, once there is room again', {
    skip: process.geteuid?.() === 0 ? false : 'mounting needs root',
  }, async () => {
    const small = join(root, 'small')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small])
    try {
      const where = join(small, 'follower')
      await cp(directory, where, { recursive: true })
      const ballast = join(small, 'ballast')
      await writeFile(ballast, Buffer.alloc(5 << 20))
      const large = Array.from({ length: 40 }, (_, k) => put(`large${k}`, 'x'.repeat(100_000)))
      await onDisk(where, async (disk) => {
        await assert.rejects(writeCheckpoint(disk.records, startAt(6, 1), large), (error) => {
          assert.ok(error instanceof FailedDiskError)
          assert.match(error.message, /No space left.*check disk and free space/)
          return true
        })
        await assert.rejects(
          writeCheckpoint(disk.records, startAt(7, 1), []),
          FailedDiskError,
          'it is not written to again',
        )
      })
      await rm(ballast)
      assert.equal(await next(where), 'old')
    } finally {
      execFileSync('umount', [small])
    }
  })
})

async function onDisk<T>(where: string, act: (disk: NodeDisk, found: Recovered) => Promise<T>): Promise<T> {
  const disk = await openNodeDisk(where, IDENTITY)
  try {
    return await act(disk, await recover(disk))
  } finally {
    await disk.close()
  }
}

async function recordsIn(where: string): Promise<string[]> {
  return (await readdir(where)).filter((name) => name.startsWith('records-'))
}
