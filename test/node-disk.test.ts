import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openNodeDisk } from '../src/node-disk/index.js'
import { MemoryDisk } from './suites/memory-disk.js'
import { nodeDiskSuite } from './suites/node-disk-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1 }

nodeDiskSuite('MemoryDisk', async () => {
  const disk = new MemoryDisk({ sync: setImmediate, random: () => 0 })
  return { open: async () => disk.open(), dispose: async () => {} }
})

nodeDiskSuite('LevelDB', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'node-disk-'))
  return {
    open: () => openNodeDisk(directory, IDENTITY),
    dispose: () => rm(directory, { recursive: true }),
  }
})
