import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { LogRemains, openLevelLog } from '../src/log-store/index.js'
import { run, write } from './suites/log-store-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1 }

/** Faults 25, 31: a node goes on only as what it was when it wrote last. */
describe('what is left of a log in tables', () => {
  let directory: string
  let older: string
  let newest: string

  /** Tables, the newest with all that was written last; the witness knows of the one before it, as after a power cut. */
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'remains-'))
    await append(1)
    await copyFile(join(directory, 'witness'), join(directory, 'witness.earlier'))
    await append(2)
    await append(3)
    await copyFile(join(directory, 'witness.earlier'), join(directory, 'witness'))
    const tables = (await readdir(join(directory, 'db'))).filter((name) => name.endsWith('.ldb')).sort()
    assert.equal(tables.length, 3)
    ;[older, newest] = tables.slice(1) as [string, string]
  })

  afterEach(() => rm(directory, { recursive: true }))

  it('ends with the newest head, whatever order its tables are in', async () => {
    await leaveUnfinishedCopy()
    assert.equal(await endOfTerm(), 2)
  })

  it('has no end that can be told when the table with the newest head is damaged, though a table with an older one is numbered higher', async () => {
    await leaveUnfinishedCopy()
    await damage(newest)
    assert.equal(await endOfTerm(), undefined)
  })

  it('has no end that can be told when the table with the newest head is gone', async () => {
    await rm(join(directory, 'db', newest))
    assert.equal(await endOfTerm(), undefined)
  })

  it('ends with the newest head although an older table is damaged', async () => {
    await damage(older)
    assert.equal(await endOfTerm(), 2)
  })

  it('has no end that can be told from tables of which one is damaged, if the manifest is gone', async () => {
    await damage(older)
    await rm(join(directory, 'db', 'CURRENT'))
    assert.equal(await endOfTerm(), undefined)
  })

  /** Opening it makes a table of what was appended before. */
  async function append(term: number): Promise<void> {
    const { log } = await openLevelLog(directory, IDENTITY)
    await log.load()
    if (term <= 2) await log.write(write({ hardState: { term, vote: 1 }, entries: run(term, term, term) }))
    await log.close()
  }

  /** As a crash in a compaction of older tables leaves it: made later, of what was there before. */
  async function leaveUnfinishedCopy(): Promise<void> {
    await copyFile(join(directory, 'db', older), join(directory, 'db', '000999.ldb'))
  }

  /** In its first block, where the head is. */
  async function damage(name: string): Promise<void> {
    const path = join(directory, 'db', name)
    const bytes = await readFile(path)
    bytes[8]! ^= 1
    await writeFile(path, bytes)
  }

  async function endOfTerm(): Promise<number | undefined> {
    return (await LogRemains.read(directory)).end?.hardState.term
  }
})
