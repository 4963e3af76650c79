import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DiskRemains, openNodeDisk } from '../../src/node-disk/index.js'
import { restoreDisk } from '../../src/salvage/restore-disk.js'
import { writeCheckpoint } from '../suites/checkpoint.js'
import { run, startAt, write } from '../suites/log-store-suite.js'
import { put, recover } from '../suites/node-disk-suite.js'
import { NO_POWER_DISKS, PowerDisk } from './mounts.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1, disk: 77 }
const LOST = 'entry 27'

test('a power cut right after a disk was restored leaves it restored (faults 24, 31)', {
  skip: NO_POWER_DISKS,
  timeout: 60_000,
}, async () => {
  const root = await mkdtemp(join(tmpdir(), 'restore-power-'))
  try {
    await restoreAndCut(root)
  } finally {
    await rm(root, { recursive: true })
  }
})

async function restoreAndCut(root: string): Promise<void> {
  const directory = join(root, 'data')
  await using power = new PowerDisk(directory, join(root, 'image'))
  const disk = await openNodeDisk(directory, IDENTITY)
  await recover(disk)
  const hardState = { term: 1, vote: 1 }
  await disk.log.write(write({ hardState, entries: run(1, 20, 1) }))
  await writeCheckpoint(disk.records, startAt(20, 1), [put('key', 'value')])
  for (let index = 21; index <= 30; index++) {
    const payload = new TextEncoder().encode(`entry ${index}`)
    await disk.log.write(write({ entries: [{ index, term: 1, payload }] }))
  }
  await disk.close()
  await cp(directory, join(root, 'peer'), { recursive: true, filter: (path) => !path.endsWith('lost+found') })
  const peer = await openNodeDisk(join(root, 'peer'), IDENTITY)
  const held = await recover(peer)
  await damage(join(directory, 'db'))

  const remains = await DiskRemains.open(directory)
  await restoreDisk({ data: directory, clusterId: 'blue', id: 1 }, remains, [peer])
  await remains.close()
  await peer.close()
  await power.cut()

  const restored = await openNodeDisk(directory, IDENTITY)
  const found = await recover(restored)
  await restored.close()
  assert.deepEqual(
    [found.hardState, found.checkpoint, found.records],
    [hardState, held.checkpoint, held.records],
  )
  assert.deepEqual(found.entries, held.entries.slice(20))
}

/** In the log of LevelDB. */
async function damage(database: string): Promise<void> {
  const name = (await readdir(database)).find((each) => each.endsWith('.log'))!
  const bytes = await readFile(join(database, name))
  bytes[bytes.indexOf(LOST)]! ^= 1
  await writeFile(join(database, name), bytes)
}
