import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { DiskRemains, type LevelNodeDisk, openNodeDisk } from '../../src/node-disk/index.js'
import { DamagedLogError, DamagedRecordsError } from '../../src/replica/ports.js'
import { UnrestorableError } from '../../src/salvage/restoration.js'
import { restoreDisk } from '../../src/salvage/restore-disk.js'
import { writeCheckpoint } from '../suites/checkpoint.js'
import { run, startAt, write } from '../suites/log-store-suite.js'
import { put, type Recovered, recover } from '../suites/node-disk-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1, disk: 77 }
const LAST = 246

/** Fault 31: what a disk holds again is what it held, and whoever can't be sure of that touches nothing. */
describe('a damaged disk that is restored', () => {
  let root: string
  let pristine: string
  let directory: string
  let peer: LevelNodeDisk
  let held: Recovered

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'restore-'))
    pristine = join(root, 'pristine')
    await fill(pristine)
    await cp(pristine, join(root, 'peer'), { recursive: true })
    peer = await openNodeDisk(join(root, 'peer'), IDENTITY)
    held = await recover(peer)
  })

  after(async () => {
    await peer.close()
    await rm(root, { recursive: true })
  })

  beforeEach(async () => {
    directory = await mkdtemp(join(root, 'copy-'))
    await cp(pristine, directory, { recursive: true })
  })

  afterEach(() => rm(directory, { recursive: true }))

  /** Checkpoints, a table, a truncation, a log of LevelDB's of several blocks behind them. */
  async function fill(at: string): Promise<void> {
    let disk = await openNodeDisk(at, IDENTITY)
    await recover(disk)
    for (let term = 1, last = 0; term <= 6; term++, last += 40) {
      if (term === 3) {
        await disk.close()
        disk = await openNodeDisk(at, IDENTITY)
        await recover(disk)
      }
      for (const one of run(last + 1, last + 40, term)) {
        const payload = new TextEncoder().encode(`${one.index} `.repeat(150))
        await disk.log.write(write({ hardState: { term, vote: 1 }, entries: [{ ...one, payload }] }))
      }
      const changes = Array.from({ length: 50 }, (_, k) => put(`k${k}`, `${k} of term ${term}`))
      if (term < 6) await writeCheckpoint(disk.records, startAt(last + 20, term), changes)
      if (term === 4) await disk.log.compact(startAt(100, 3))
    }
    await disk.log.write(
      write({ truncateFrom: 239, hardState: { term: 8, vote: 2 }, entries: run(239, 240, 8) }),
    )
    await disk.log.write(write({ entries: run(241, LAST, 8) }))
    await disk.close()
  }

  async function restore(peers = [peer], owner = { clusterId: 'blue', id: 1 }): Promise<void> {
    const remains = await DiskRemains.open(directory)
    try {
      await restoreDisk({ data: directory, ...owner }, remains, peers)
    } finally {
      await remains.close()
    }
  }

  async function loaded(where = directory): Promise<Recovered> {
    const disk = await openNodeDisk(where, IDENTITY)
    try {
      assert.equal(disk.identity.disk, IDENTITY.disk)
      return await recover(disk)
    } finally {
      await disk.close()
    }
  }

  async function assertHeldAgain(what: string): Promise<void> {
    const { start, entries, hardState, checkpoint, records } = await loaded()
    assert.deepEqual(
      { hardState, checkpoint, records, start },
      { ...pick(held), start: held.checkpoint },
      what,
    )
    assert.deepEqual(entries, held.entries.slice(-entries.length), what)
    assert.equal(entries.length, LAST - held.checkpoint!.index, what)
  }

  function pick({ hardState, checkpoint, records }: Recovered) {
    return { hardState, checkpoint, records }
  }

  it('holds exactly what it held, or is left alone, with a bit flipped anywhere (faults 25, 31)', async (t) => {
    const outcomes = { sound: 0, restored: 0, leftAlone: 0 }
    for (const file of await files(pristine)) {
      const good = await readFile(join(pristine, file))
      for (let at = 0; at < good.length; at += Math.max(1, Math.floor(good.length / 7))) {
        await rm(directory, { recursive: true })
        await cp(pristine, directory, { recursive: true })
        const bytes = Buffer.from(good)
        bytes[at]! ^= 1 << (at % 8)
        await writeFile(join(directory, file), bytes)
        outcomes[await outcome(`${file} at ${at} of ${good.length}`)]++
      }
    }
    t.diagnostic(JSON.stringify(outcomes))
    assert.ok(outcomes.restored > 15 && outcomes.leftAlone > 0, JSON.stringify(outcomes))
  })

  /** As a node does: it starts if it can, and is restored if it can't. */
  async function outcome(what: string): Promise<'sound' | 'restored' | 'leftAlone'> {
    try {
      await loaded()
      return 'sound'
    } catch (error) {
      if (!(error instanceof DamagedLogError || error instanceof DamagedRecordsError)) throw error
    }
    const before = await contents(directory)
    try {
      await restore()
    } catch (error) {
      if (!(error instanceof UnrestorableError)) throw new Error(what, { cause: error })
      assert.deepEqual(await contents(directory), before, `${what}: nothing is touched`)
      return 'leftAlone'
    }
    await assertHeldAgain(what)
    return 'restored'
  }

  it('needs no peer for what nobody asks for any more', async () => {
    // In a batch that a later one superseded: entry 239 of term 6.
    await flip(Buffer.from('239 239 239'))
    await assert.rejects(loaded(), DamagedLogError)
    await restore([])
    await assertHeldAgain('alone')
  })

  it('is left alone when its last write is lost, whatever it was', async () => {
    await flip(Buffer.from(`${LAST}`), 'last')
    await assert.rejects(restore(), /what this node promised last is lost/)
  })

  it('is left alone when its last write is lost, though an old witness does not know of it', async () => {
    await flip(Buffer.from(`${LAST}`), 'last')
    await flip(Buffer.from('200 200 200'))
    await writeFile(join(directory, 'witness'), await earlyWitness())
    await assert.rejects(restore(), /what this node promised last is lost/)
  })

  it('is left alone when its database is an earlier copy, or its witness is gone', async () => {
    const late = join(root, 'late')
    await cp(directory, late, { recursive: true })
    const disk = await openNodeDisk(late, IDENTITY)
    await recover(disk)
    await disk.log.write(write({ hardState: { term: 9, vote: 3 } }))
    await disk.close()
    await cp(join(late, 'witness'), join(directory, 'witness'))
    await assert.rejects(restore(), /what this node promised last is lost/)
    await rm(join(directory, 'witness'))
    await assert.rejects(restore(), /what this node promised last is lost/)
  })

  it('is left alone when nobody has what it lost', async () => {
    await flip(Buffer.from('230 230 230'))
    await assert.rejects(restore([]), /nobody has entry 230 of term 6/)
  })

  it("is left alone when it is another node's, or another cluster's", async () => {
    await flip(Buffer.from('230 230 230'))
    const whose = /belongs to node 1 of cluster 'blue': correct the configuration/
    await assert.rejects(restore([peer], { clusterId: 'red', id: 1 }), whose)
    await assert.rejects(restore([peer], { clusterId: 'blue', id: 2 }), whose)
  })

  it('is whole after a crash at any moment of the swap (fault 19)', async () => {
    await flip(Buffer.from('230 230 230'))
    const damaged = join(root, 'damaged')
    await cp(directory, damaged, { recursive: true })
    await restore()
    const names = ['db', 'records-2', 'witness']
    const whole = join(root, 'whole')
    for (const name of names) await cp(join(directory, name), join(whole, name), { recursive: true })
    for (let steps = 0; steps <= 7; steps++) {
      await rm(directory, { recursive: true })
      await cp(damaged, directory, { recursive: true })
      await cp(whole, join(directory, 'restored'), { recursive: true })
      await swap(steps)
      await assertHeldAgain(`after ${steps} steps`)
      assert.deepEqual((await readdir(directory)).sort(), [...names.slice(0, 2), 'set-aside', 'witness'])
      const aside = await readdir(join(directory, 'set-aside'))
      assert.ok(aside.includes('db') && aside.includes('records-1'), `after ${steps} steps: ${aside}`)
    }
    await rm(whole, { recursive: true })
    await rm(damaged, { recursive: true })
  })

  /** The first so many steps of a swap. */
  async function swap(count: number): Promise<void> {
    const move = (from: string, to: string) => rename(join(directory, from), join(directory, to))
    const steps = [
      () => mkdir(join(directory, 'set-aside')),
      () => move('db', 'set-aside/db'),
      () => move('records-1', 'set-aside/records-1'),
      () => cp(join(directory, 'witness'), join(directory, 'set-aside/witness')),
      () => move('restored/db', 'db'),
      () => move('restored/records-2', 'records-2'),
      () => move('restored/witness', 'witness'),
    ]
    for (const step of steps.slice(0, count)) await step()
  }

  it('is as it was after a crash before the swap', async () => {
    await flip(Buffer.from('230 230 230'))
    await cp(join(root, 'peer'), join(directory, 'unfinished'), { recursive: true })
    await assert.rejects(loaded(), DamagedLogError)
    await restore()
    await assertHeldAgain('the second time')
  })

  /** In the log of LevelDB. */
  async function flip(text: Buffer, which: 'first' | 'last' = 'first'): Promise<void> {
    const name = (await readdir(join(directory, 'db'))).find((each) => each.endsWith('.log'))!
    const path = join(directory, 'db', name)
    const bytes = await readFile(path)
    const at = which === 'first' ? bytes.indexOf(text) : bytes.lastIndexOf(text)
    assert.ok(at > 0)
    bytes[at]! ^= 1
    await writeFile(path, bytes)
  }

  /** One that says next to nothing. */
  async function earlyWitness(): Promise<Buffer> {
    const early = join(root, 'early')
    await (await openNodeDisk(early, IDENTITY)).close()
    return await readFile(join(early, 'witness'))
  }
})

async function contents(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const file of await files(directory))
    found[file] = (await readFile(join(directory, file))).toString('base64')
  return found
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
