import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Level } from 'level'
import { GAP, recordsIn } from '../src/leveldb/log-file.js'

const BLOCK_BYTES = 32 * 1024
/** Several to a block, and some over several blocks. */
const SIZES = [10, 200, 3_000, 50_000, 7, 32_000, 900, 65_000, 1, 400, 400, 400]

/** Faults 25, 31: what stands behind a damaged byte of LevelDB's log can still be read, and nothing else is. */
describe("a log of LevelDB's", () => {
  let root: string
  let log: Buffer
  let written: string[]

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'log-file-'))
    log = await logOf(join(root, 'plain'), (database) =>
      SIZES.reduce(
        (before, size, k) => before.then(() => database.put(`key ${k}`, Buffer.alloc(size, k + 1))),
        Promise.resolve(),
      ),
    )
    written = [...recordsIn(log)].map((record) => hex(record))
  })

  after(() => rm(root, { recursive: true }))

  it('is read as it was written', () => {
    assert.equal(written.length, SIZES.length)
    for (const [k, record] of written.entries()) assert.ok(record.includes(hex(Buffer.from(`key ${k}`))))
  })

  it('loses, by one altered byte, what shares a block with it at most, and tells where', () => {
    fc.assert(
      fc.property(fc.nat(log.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(log)
        damaged[at]! ^= change
        const found = [...recordsIn(damaged)].map(hex)
        if (isPadding(at)) return assert.deepEqual(found, written)
        assert.ok(found.includes('gap'))
        const left = found.filter((record) => record !== 'gap')
        assert.deepEqual(
          left,
          written.filter((record) => left.includes(record)),
        )
        const lost = written.filter((record) => !left.includes(record))
        assert.ok(lost.length > 0 && lost.every((record) => touches(record, Math.floor(at / BLOCK_BYTES))))
      }),
      { numRuns: 2_000 },
    )
  })

  it('gives nothing that only looks like a record, inside of one that is damaged', async () => {
    const forged = await logOf(join(root, 'forged'), (database) =>
      database.put('client', Buffer.concat([Buffer.alloc(100), log.subarray(0, 60), Buffer.alloc(100)])),
    )
    for (let at = 7; at < forged.length; at++) {
      const damaged = Buffer.from(forged)
      damaged[at]! ^= 1
      assert.deepEqual([...recordsIn(damaged)], [GAP])
    }
  })

  it('ends with a gap when its last record was never finished', () => {
    const found = [...recordsIn(log.subarray(0, log.length - 1))].map(hex)
    assert.deepEqual(found, [...written.slice(0, -1), 'gap'])
  })

  /** What is too short for a header at the end of a block is left free, unless the fragment before goes on to the end. */
  function isPadding(at: number): boolean {
    for (let fragment = 0; fragment <= at; ) {
      const rest = BLOCK_BYTES - (fragment % BLOCK_BYTES)
      if (rest < 7 && at < fragment + rest) return true
      fragment += rest < 7 ? rest : 7 + log.readUInt16LE(fragment + 4)
    }
    return false
  }

  /** Whether part of that record lies in that block. */
  function touches(record: string, block: number): boolean {
    const bytes = Buffer.from(record, 'hex')
    const from = log.indexOf(bytes.subarray(0, 20))
    const headers = 7 * (2 + bytes.length / BLOCK_BYTES)
    return (
      Math.floor(from / BLOCK_BYTES) <= block &&
      block <= Math.floor((from + bytes.length + headers) / BLOCK_BYTES)
    )
  }

  async function logOf(location: string, fill: (database: Level<string, Buffer>) => Promise<void>) {
    const database = new Level<string, Buffer>(location, { valueEncoding: 'buffer' })
    await fill(database)
    await database.close()
    const name = (await readdir(location)).find((each) => each.endsWith('.log'))!
    return await readFile(join(location, name))
  }
})

function hex(record: Buffer | typeof GAP): string {
  return record === GAP ? 'gap' : record.toString('hex')
}
