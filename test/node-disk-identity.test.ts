import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { IdentityFile, renewNodeDisk } from '../src/node-disk/index.js'
import { DamagedLogError } from '../src/replica/ports.js'

const ACCUSER = { node: 1, loss: 'disk', reason: 'on another disk' } as const

describe('what a node remembers of who it is', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lockkeeper-'))
  })
  after(() => rm(directory, { recursive: true }))

  it('is nothing in the beginning, and then the last that was saved', async () => {
    const file = await IdentityFile.open(directory, 7)
    assert.deepEqual(file.facts, { disk: 7, accusers: [], wasMember: false, met: [], incarnation: 0 })
    const first = file.save({ ...file.facts, wasMember: true, met: [{ member: 2, disk: 22 }] })
    assert.equal(file.facts.wasMember, true)
    await Promise.all([first, file.save({ ...file.facts, accusers: [ACCUSER] })])
    assert.deepEqual((await IdentityFile.open(directory, 7)).facts, {
      disk: 7,
      accusers: [ACCUSER],
      wasMember: true,
      met: [{ member: 2, disk: 22 }],
      incarnation: 0,
    })
  })

  it('is not about the disk of the next incarnation', async () => {
    await renewNodeDisk(directory, { clusterId: 'blue', nodeId: 1_003 })
    assert.deepEqual((await IdentityFile.open(directory, 8)).facts, {
      disk: 8,
      accusers: [],
      wasMember: false,
      met: [],
      incarnation: 0,
    })
  })

  it('is not forgotten because a byte has changed: the node is repaired', async () => {
    const file = await IdentityFile.open(directory, 8)
    await file.save({ ...file.facts, wasMember: true })
    const path = join(directory, 'identity')
    const bytes = await readFile(path)
    bytes[20]! ^= 1
    await writeFile(path, bytes)
    await assert.rejects(IdentityFile.open(directory, 8), DamagedLogError)
    await renewNodeDisk(directory, { clusterId: 'blue', nodeId: 2_003 })
    await IdentityFile.open(directory, 9)
  })
})
