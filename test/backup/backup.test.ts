import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { DamagedBackupError } from '../../src/backup/format.js'
import { readBackup } from '../../src/backup/read.js'
import { type RestoreTarget, restoreBackup, SameClusterError } from '../../src/backup/restore.js'
import { backupFile } from '../../src/backup/write.js'
import { UnusableDirectoryError } from '../../src/leveldb/errors.js'
import type { Command } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { openNodeDisk } from '../../src/node-disk/index.js'
import { encodeChange, MachineRestorer } from '../../src/replica/record-codec.js'
import { writeCheckpoint } from '../suites/checkpoint.js'

const START = { index: 41, term: 3, config: { voters: [1], outgoing: [], learners: [] } }
const SESSIONS = 40
const TAKEN_AT = '2026-01-01T00:00:00.000Z'
const NOW_MS = Date.parse(TAKEN_AT) + 60_000

/** A machine in which many hold and many wait. */
function busyMachine(): Machine {
  const machine = new Machine()
  const commands: Command[] = []
  for (let k = 1; k <= SESSIONS; k++) {
    const who = { session: k, key: k }
    commands.push({ op: 'open', key: k, ttlMs: 60_000, label: `session ${k}` })
    for (let slot = 0; slot < 4; slot++) {
      const names = [`name/${(k * slot) % 30}`]
      const mode = { kind: 'exclusive' } as const
      commands.push({ op: 'acquire', ...who, slot, seq: 1, names, mode, waitMs: undefined, label: '' })
    }
  }
  machine.apply({ at: 1_000, commands })
  return machine
}

describe('a backup', () => {
  let directory: string
  let file: string
  const machine = busyMachine()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lockkeeper-'))
    file = join(directory, 'backup')
    await writeBackup(file)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  /** Of a real disk that holds `machine`. */
  async function writeBackup(path: string): Promise<void> {
    const disk = await openNodeDisk(join(directory, 'old'), { clusterId: 'old', nodeId: 1 })
    await disk.load(() => {})
    const changes = [encodeChange(machine.beginCheckpoint())]
    for (let more = machine.ledger.take(1_000); more.length > 0; more = machine.ledger.take(1_000)) {
      changes.push(...more.map(encodeChange))
    }
    await writeCheckpoint(disk.records, START, changes)
    const source = await disk.records.openSnapshot()
    const { at, claims } = machine
    const header = { clusterId: 'old', index: START.index, term: START.term, nextToken: claims.nextToken, at }
    const parts: Buffer[] = []
    for await (const part of backupFile({ ...header, takenAt: TAKEN_AT, version: '0' }, source)) {
      parts.push(part)
    }
    await source.close()
    await disk.close()
    await writeFile(path, Buffer.concat(parts))
  }

  function target(nodeId: number, change: Partial<RestoreTarget> = {}): RestoreTarget {
    const clusterId = 'new'
    return { clusterId, nodeId, voters: [3, 1, 2], directory: place(nodeId), nowMs: NOW_MS, ...change }
  }

  function place(nodeId: number): string {
    return join(directory, `new-${nodeId}`)
  }

  async function load(nodeId: number) {
    const disk = await openNodeDisk(place(nodeId), { clusterId: 'new', nodeId })
    const restorer = new MachineRestorer()
    const recovered = await disk.load(restorer.take)
    await disk.close()
    return { ...recovered, machine: restorer.finish() }
  }

  it('says what it is of', async () => {
    const { header, bytes, checksum } = await readBackup(file)
    assert.equal(header.clusterId, 'old')
    assert.deepEqual([header.index, header.term, header.at], [41, 3, 1_000])
    assert.equal(header.nextToken, machine.claims.nextToken)
    const content = await readFile(file)
    assert.equal(bytes, content.length)
    assert.equal(createHash('sha256').update(content).digest('hex'), checksum, 'as sha256sum prints it')
  })

  it('makes the same of every node of the new cluster: ready to begin, with nothing held', async () => {
    const restored = []
    for (const id of [1, 2, 3]) {
      const told = await restoreBackup(file, target(id))
      restored.push({ told, ...(await load(id)) })
    }
    const [first] = restored
    for (const { told, machine: successor, start, entries, hardState, checkpoint } of restored) {
      assert.deepEqual(told, first?.told)
      assert.deepEqual(start, {
        index: 41,
        term: 3,
        config: { voters: [1, 2, 3], outgoing: [], learners: [] },
      })
      assert.deepEqual(checkpoint, start)
      assert.deepEqual([entries, hardState], [[], { term: 3, vote: 0 }])
      assert.equal(successor.sessions.size + successor.claims.size, 0)
      assert.equal(successor.at, 1_000)
      assert.ok(told.nextToken > machine.claims.nextToken)
      assert.equal(successor.level, FEATURE_LEVEL)
      const { number, earliestMs } = successor.incarnation
      assert.deepEqual([number, earliestMs], [0, Date.parse(TAKEN_AT) + 1])
      assert.equal(successor.digest, first?.machine.digest)
    }
  })

  it('is not restored into a cluster of the same name', async () => {
    const same = target(4, { clusterId: 'old' })
    await assert.rejects(restoreBackup(file, same), SameClusterError)
    await assert.rejects(readdir(place(4)), { code: 'ENOENT' })
  })

  it('is not restored by a clock that is before the moment it was made', async () => {
    const early = target(4, { nowMs: Date.parse(TAKEN_AT) - 1 })
    await assert.rejects(restoreBackup(file, early), {
      name: 'ClockBehindError',
      message: /says 2025-12-31T23:59:59.999Z, and .* can begin from 2026-01-01T00:00:00.001Z on.*set it/,
    })
    await assert.rejects(readdir(place(4)), { code: 'ENOENT' })
  })

  it('is not restored over what is there', async () => {
    await mkdir(place(5))
    await writeFile(join(place(5), 'something'), 'precious')
    await assert.rejects(restoreBackup(file, target(5)), UnusableDirectoryError)
    assert.deepEqual(await readdir(place(5)), ['something'])
    await rm(join(place(5), 'something'))
    await restoreBackup(file, target(5))
    await assert.rejects(restoreBackup(file, target(5)), UnusableDirectoryError, 'nor over a restored node')
  })

  it('is not taken for a new node when the restore was cut short before its database was in place', async () => {
    await restoreBackup(file, target(7))
    await rm(join(place(7), 'db'), { recursive: true })
    await assert.rejects(load(7), /this node has acknowledged writes, and the database 'db' is gone/)
  })

  it('is refused, and nothing written, whatever byte of it is flipped', async () => {
    const content = await readFile(file)
    const damagedFile = join(directory, 'flipped')
    // Every byte of the header and of the trailer, and of everything between one in each hundred.
    const isTried = (at: number) => at < 300 || at >= content.length - 64 || at % 97 === 0
    let tried = 0
    for (let at = 0; at < content.length; at++) {
      if (!isTried(at)) continue
      content[at]! ^= 1 << (at % 8)
      await writeFile(damagedFile, content)
      content[at]! ^= 1 << (at % 8)
      await assert.rejects(restoreBackup(damagedFile, target(6)), DamagedBackupError, `byte ${at}`)
      tried++
    }
    assert.ok(tried > 400)
    await assert.rejects(readdir(place(6)), { code: 'ENOENT' })
  })

  it('is refused when a part is missing, doubled, or something else', async () => {
    const content = await readFile(file)
    const other = join(directory, 'other')
    const wrong = {
      empty: Buffer.alloc(0),
      random: randomBytes(5_000),
      doubled: Buffer.concat([content, content]),
      longer: Buffer.concat([content, Buffer.from([0])]),
      'without its middle': Buffer.concat([content.subarray(0, 1_000), content.subarray(2_000)]),
    }
    for (const [what, bytes] of Object.entries(wrong)) {
      await writeFile(other, bytes)
      await assert.rejects(restoreBackup(other, target(6)), DamagedBackupError, what)
    }
    await writeFile(other, content)
    for (const bytes of [content.length - 1, content.length - 32, content.length >> 1, 40, 1]) {
      await truncate(other, bytes)
      await assert.rejects(restoreBackup(other, target(6)), DamagedBackupError, `${bytes} bytes`)
    }
    await assert.rejects(readdir(place(6)), { code: 'ENOENT' })
  })
})
