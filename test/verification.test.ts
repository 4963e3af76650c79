import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { Command } from '../src/machine/language/command.js'
import { Machine } from '../src/machine/machine.js'
import { RECORD_FORMAT, SUMMARY_KEY } from '../src/machine/records/records.js'
import { openNodeDisk } from '../src/node-disk/index.js'
import { encodeCommands, encodePayload } from '../src/replica/payload.js'
import type { NodeDisk } from '../src/replica/ports.js'
import { encodeChange } from '../src/replica/record-codec.js'
import { type Finding, verifyDisk } from '../src/verification/verify-disk.js'
import { writeCheckpoint } from './suites/checkpoint.js'
import { startAt, write } from './suites/log-store-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 2 }
const ENTRIES = 60
const CHECKPOINT_AT = 40
const FLIPS_PER_FILE = 10

function open(key: number): Command {
  return { op: 'open', key, ttlMs: 60_000, label: '' }
}

/** Session `k` takes the lock `k`. */
function acquire(k: number): Command {
  const names = [`stored/${k}`]
  return {
    op: 'acquire',
    session: k,
    key: k,
    slot: 1,
    seq: 1,
    names,
    mode: { kind: 'exclusive' },
    waitMs: 0,
    label: '',
  }
}

/** A session and its lock in every entry; a checkpoint in the middle, a part of the log forgotten, tables and logs. */
async function fill(directory: string): Promise<Machine> {
  let disk = await openLoaded(directory)
  const machine = new Machine()
  for (let index = 1; index <= ENTRIES; index++) {
    const commands = [open(index), acquire(index)]
    const chunk = { origin: 2, first: 2 * index, count: 2, commands: encodeCommands(commands) }
    const entries = [{ index, term: 3, payload: encodePayload(100 * index, [chunk]) }]
    await disk.log.write(write({ hardState: { term: 3, vote: 2 }, entries }))
    machine.apply({ at: 100 * index, commands })
    if (index !== CHECKPOINT_AT) continue
    const changes = [machine.beginCheckpoint(), ...machine.ledger.take(10_000)]
    await writeCheckpoint(disk.records, startAt(CHECKPOINT_AT, 3), changes.map(encodeChange))
    await disk.log.compact(startAt(CHECKPOINT_AT / 2, 3))
    // LevelDB makes a table of its log when it is opened.
    await disk.close()
    disk = await openLoaded(directory)
  }
  await disk.close()
  return machine
}

async function openLoaded(directory: string): Promise<NodeDisk> {
  const disk = await openNodeDisk(directory, IDENTITY)
  await disk.load(() => {})
  return disk
}

/** Names, bytes and times of change of everything there is. */
async function traces(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true })
  const told = names.sort().map(async (name) => {
    const path = join(directory, name)
    const { mtimeMs, isFile } = await stat(path).then((it) => ({ mtimeMs: it.mtimeMs, isFile: it.isFile() }))
    const content = isFile
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : 'directory'
    return `${name} ${mtimeMs} ${content}`
  })
  return Promise.all(told)
}

describe('the disk of a stopped node', () => {
  const { TMPDIR } = process.env
  let root: string
  let pristine: string
  let directory: string
  let machine: Machine

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'verification-'))
    pristine = join(root, 'pristine')
    machine = await fill(pristine)
    // Where views are made.
    process.env.TMPDIR = join(root, 'temporary')
    await mkdir(process.env.TMPDIR)
  })

  after(async () => {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
    await rm(root, { recursive: true })
  })

  beforeEach(async () => {
    directory = await mkdtemp(join(root, 'copy-'))
    await cp(pristine, directory, { recursive: true })
  })

  afterEach(async () => {
    await rm(directory, { recursive: true })
    assert.deepEqual(await readdir(join(root, 'temporary')), [], 'no view is left')
  })

  function sound(): Finding {
    return {
      kind: 'sound',
      ...IDENTITY,
      term: 3,
      checkpoint: { index: CHECKPOINT_AT, term: 3, records: 1 + 3 * CHECKPOINT_AT },
      log: { from: CHECKPOINT_AT / 2 + 1, to: ENTRIES },
      applied: ENTRIES,
      sessions: ENTRIES,
      names: ENTRIES,
      nextToken: ENTRIES + 1,
      digest: machine.digest,
    }
  }

  async function damaged(expected: RegExp): Promise<void> {
    const finding = await verifyDisk(directory)
    assert.equal(finding.kind, 'damaged', JSON.stringify(finding))
    assert.match((finding as { fault: string }).fault, expected)
  }

  async function unchecked(where: string, expected: RegExp): Promise<void> {
    const finding = await verifyDisk(where)
    assert.equal(finding.kind, 'unchecked', JSON.stringify(finding))
    assert.match((finding as { reason: string }).reason, expected)
  }

  /** As the node itself would have written it. */
  async function changed(change: (disk: NodeDisk) => Promise<void>): Promise<void> {
    const disk = await openLoaded(directory)
    await change(disk)
    await disk.close()
  }

  it('tells whose it is, what there is, and to which machine that leads', async () => {
    assert.deepEqual(await verifyDisk(directory), sound())
  })

  it('is not changed, and can be verified again', async () => {
    const before = await traces(directory)
    await verifyDisk(directory)
    assert.deepEqual(await traces(directory), before)
    assert.deepEqual(await verifyDisk(directory), sound())
  })

  it('keeps its traces of a damage too', async () => {
    const path = join(
      directory,
      'db',
      (await readdir(join(directory, 'db'))).find((name) => /\.log$/.test(name))!,
    )
    const bytes = await readFile(path)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(path, bytes)
    const before = await traces(directory)
    await damaged(/log on disk is damaged at key .* must not vote/)
    assert.deepEqual(await traces(directory), before)
  })

  it('is damaged, or what was written is there, whatever byte has changed (fault 25)', async () => {
    const kinds = { damaged: 0, sound: 0 }
    for (const name of await readdir(directory, { recursive: true })) {
      const path = join(directory, name)
      if (!(await stat(path)).isFile()) continue
      const bytes = await readFile(path)
      const step = Math.max(1, Math.ceil(bytes.length / FLIPS_PER_FILE))
      for (let at = 0; at < bytes.length; at += step) {
        bytes[at]! ^= 0x10
        await writeFile(path, bytes)
        const finding = await verifyDisk(directory)
        if (finding.kind === 'sound') assert.deepEqual(finding, sound(), `${name} at ${at}`)
        assert.notEqual(finding.kind, 'unchecked', `${name} at ${at}: ${JSON.stringify(finding)}`)
        kinds[finding.kind as keyof typeof kinds]++
        bytes[at]! ^= 0x10
      }
      await writeFile(path, bytes)
    }
    assert.ok(kinds.damaged > 20, JSON.stringify(kinds))
  })

  it('is damaged if the log, or the checkpoint, is gone', async () => {
    await rm(join(directory, 'records-1'), { recursive: true })
    await damaged(/no checkpoint of what came before/)
    await rm(join(directory, 'db'), { recursive: true })
    await damaged(/acknowledged writes, and the database 'db' is gone/)
  })

  it('is damaged if the machine in it can not be, though every checksum is right', async () => {
    const { at, digest, sessions } = machine
    // The counter of tokens has gone back: the next grant would be fenced off (P2).
    const fields = [RECORD_FORMAT.first, at, sessions.nextId, ENTRIES + 1, 3, digest]
    await changed((disk) =>
      writeCheckpoint(disk.records, startAt(ENTRIES, 3), [encodeChange({ key: SUMMARY_KEY, fields })]),
    )
    await damaged(/P2: tokens are drawn from the counter.*this is a bug: keep the directory/)
  })

  it('is damaged if its log leads to what can not be', async () => {
    const earlier = encodePayload(1, [])
    const entries = [{ index: ENTRIES + 1, term: 3, payload: earlier }]
    await changed((disk) => disk.log.write(write({ entries })))
    await damaged(/the clock of the log never goes back/)
  })

  it('is not judged if a later version wrote it', async () => {
    await changed((disk) =>
      writeCheckpoint(disk.records, startAt(ENTRIES, 3), [encodeChange({ key: SUMMARY_KEY, fields: [99] })]),
    )
    await unchecked(directory, /records of format 99; upgrade/)
  })

  it('is not there: nothing is made of that', async () => {
    await unchecked(join(directory, 'none'), /none can't be used \(ENOENT.*check its path/)
    const foreign = join(directory, 'foreign')
    await mkdir(join(foreign, 'db'), { recursive: true })
    await writeFile(join(foreign, 'db', 'pg_control'), 'of another database')
    const before = await traces(foreign)
    await unchecked(foreign, /no node has kept anything in this directory: check the path/)
    await unchecked(join(foreign, 'db'), /no node has kept anything/)
    await unchecked(join(foreign, 'db', 'pg_control'), /ENOTDIR/)
    assert.deepEqual(await traces(foreign), before)
  })
})
