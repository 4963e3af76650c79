import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openNodeDisk, renewNodeDisk, SET_ASIDE } from '../src/node-disk/index.js'
import { DamagedLogError } from '../src/replica/ports.js'
import { write } from './suites/log-store-suite.js'

const FIRST = { clusterId: 'blue', nodeId: 3 }
const SECOND = { ...FIRST, nodeId: 1_003, votes: false }

/** Faults 17, 25, 26: what a node has lost never comes back as what it was. */
describe('the disk of another life', () => {
  let root: string
  let directory: string

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'renew-'))
    directory = join(root, 'data')
    await live(directory)
  })

  afterEach(() => rm(root, { recursive: true }))

  it('is empty, knows whether it is to vote, and keeps what was there aside', async () => {
    await renewNodeDisk(directory, SECOND)
    const { nodeId, votes } = await identity(directory)
    assert.deepEqual({ nodeId, votes }, { nodeId: 1_003, votes: false })
    assert.deepEqual((await readdir(join(directory, SET_ASIDE))).sort(), ['db', 'records-1', 'witness'])
  })

  it('takes the place of one whose database is gone, though something was set aside before', async () => {
    await renewNodeDisk(directory, SECOND)
    await live(directory)
    await rm(join(directory, 'db'), { recursive: true })
    await assert.rejects(identity(directory), DamagedLogError)
    await renewNodeDisk(directory, { ...FIRST, nodeId: 2_003 })
    assert.equal((await identity(directory)).nodeId, 2_003)
  })

  it('leaves alone what is not of a node', async () => {
    await mkdir(join(directory, 'lost+found'))
    await writeFile(join(directory, 'lockkeeper.yaml'), 'clusterId: blue')
    await renewNodeDisk(directory, SECOND)
    const names = await readdir(directory)
    assert.ok(names.includes('lost+found') && names.includes('lockkeeper.yaml'))
  })

  it('is damaged as long as it is not whole', async () => {
    const old = join(root, 'old')
    await cp(directory, old, { recursive: true })
    await renewNodeDisk(directory, SECOND)
    // As after a crash before the last step, and before the one before it: the old witness is there until the last.
    await cp(join(old, 'witness'), join(directory, 'witness'))
    await assert.rejects(identity(directory), DamagedLogError)
    await rm(join(directory, 'db'), { recursive: true })
    await assert.rejects(identity(directory), DamagedLogError)
    await renewNodeDisk(directory, SECOND)
    assert.equal((await identity(directory)).nodeId, 1_003)
  })

  /** A node that has acknowledged something. */
  async function live(at: string): Promise<void> {
    const disk = await openNodeDisk(at, FIRST)
    await disk.load(() => {})
    await disk.log.write(write({ hardState: { term: 1, vote: 3 } }))
    await disk.close()
  }

  async function identity(at: string) {
    const disk = await openNodeDisk(at, FIRST)
    try {
      await disk.load(() => {})
      return disk.identity
    } finally {
      await disk.close()
    }
  }
})
