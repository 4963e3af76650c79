import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { DirectoryCheck, type LevelNodeDisk, openNodeDisk } from '../src/node-disk/index.js'
import type { Clock } from '../src/replica/ports.js'
import { writeCheckpoint } from './suites/checkpoint.js'
import { run, startAt, write } from './suites/log-store-suite.js'
import { put, transfer } from './suites/node-disk-suite.js'

const LOSSES: readonly [what: string, loss: (directory: string) => Promise<void>, says: RegExp][] = [
  ['it is removed', (directory) => rm(directory, { recursive: true }), /data has been removed since/],
  ['it is renamed', (directory) => rename(directory, `${directory}.away`), /data has been removed since/],
  ['another is in its place', replaceByCopy, /data has been replaced since/],
  ['the write counter is removed', (directory) => rm(join(directory, 'witness')), /witness has been removed/],
  [
    'the database is removed',
    (directory) => rm(join(directory, 'db'), { recursive: true }),
    /db has been removed/,
  ],
  ['the database is replaced', (directory) => replaceByCopy(join(directory, 'db')), /db has been replaced/],
  [
    'the log of the database is removed',
    (directory) => removeAll(join(directory, 'db'), /\.log$/),
    /db had of .*log/,
  ],
  [
    'the manifest is removed',
    (directory) => removeAll(join(directory, 'db'), /^MANIFEST/),
    /db had of .*MANIFEST/,
  ],
  ['the records are removed', (directory) => removeAll(directory, /^records-/), /data had of .*records-/],
]

describe('the data directory of a node that runs', () => {
  let root: string
  let directory: string
  let disk: LevelNodeDisk
  let lookAgain: (() => void) | undefined
  let lost: Error | undefined
  let stop: () => void
  const clock: Clock = {
    nowMs: () => 0,
    soon: (action) => action(),
    after: (_, action) => {
      lookAgain = action
      return { cancel: () => undefined }
    },
  }

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'check-'))
    directory = join(root, 'data')
    disk = await openNodeDisk(directory, { clusterId: 'blue', nodeId: 1 })
    await disk.load(() => {})
    lost = undefined
    stop = (await DirectoryCheck.of(directory)).watch(clock, (error) => {
      lost = error
    })
  })

  afterEach(async () => {
    stop()
    await disk.close().catch(() => undefined)
    await rm(root, { recursive: true })
  })

  async function look(): Promise<Error | undefined> {
    const action = lookAgain
    lookAgain = undefined
    action?.()
    while (lookAgain === undefined && lost === undefined) await turn()
    return lost
  }

  for (const [what, loss, says] of LOSSES)
    it(`is missed when ${what}`, async () => {
      assert.equal(await look(), undefined)
      await loss(directory)
      assert.match((await look())?.message ?? 'not noticed', says)
    })

  it('is not missed when a node writes, compacts and installs a snapshot', async () => {
    const sender = await openNodeDisk(join(root, 'sender'), { clusterId: 'blue', nodeId: 2 })
    await sender.load(() => {})
    await sender.log.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 50, 1) }))
    await writeCheckpoint(sender.records, startAt(50, 1), [put('a', 'x')])
    await disk.log.write(write({ hardState: { term: 1, vote: 1 }, entries: run(1, 9, 1) }))
    await writeCheckpoint(disk.records, startAt(5, 1), [put('a', 'x')])
    await disk.log.compact(startAt(5, 1))
    await disk.install(await transfer(sender, disk, startAt(50, 1)))
    await sender.close()
    assert.equal(await look(), undefined)
  })
})

async function replaceByCopy(path: string): Promise<void> {
  await rename(path, `${path}.away`)
  await cp(`${path}.away`, path, { recursive: true })
}

async function removeAll(directory: string, kind: RegExp): Promise<void> {
  for (const name of await readdir(directory))
    if (kind.test(name)) await rm(join(directory, name), { recursive: true })
}
