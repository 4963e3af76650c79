import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Write } from '../raft/index.js'
import { openLevelLog } from '../src/log-store/index.js'
import { DamagedLogError, type LogStore, type RecoveredLog } from '../src/replica/ports.js'
import { run, write } from './suites/log-store-suite.js'

const IDENTITY = { clusterId: 'blue', nodeId: 1 }

/** Fault 26: what was acknowledged is known outside LevelDB too. */
describe('a log beside its witness', () => {
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'log-store-'))
    await append({ hardState: { term: 9, vote: 1 }, entries: run(1, 3, 1) })
  })

  afterEach(() => rm(directory, { recursive: true }))

  async function onLog<T>(act: (log: LogStore, found: RecoveredLog) => Promise<T>): Promise<T> {
    const { log } = await openLevelLog(directory, IDENTITY)
    try {
      return await act(log, await log.load())
    } finally {
      await log.close()
    }
  }

  function append(parts: Partial<Write>): Promise<void> {
    return onLog((log) => log.write(write(parts)))
  }

  const load = () => onLog(async (_, found) => found)

  const cases: [string, RegExp, () => Promise<unknown>][] = [
    [
      'the database is gone',
      /the database 'db' is gone/,
      () => rm(join(directory, 'db'), { recursive: true }),
    ],
    ['the witness is gone', /'witness' beside it is gone/, () => rm(join(directory, 'witness'))],
    [
      'the witness is zeroed',
      /neither slot/,
      () => writeFile(join(directory, 'witness'), Buffer.alloc(8192)),
    ],
    ['the witness is empty', /neither slot/, () => truncate(join(directory, 'witness'), 0)],
  ]
  for (const [what, message, damage] of cases) {
    it(`is not believed when ${what}`, async () => {
      await damage()
      await assert.rejects(load(), (error) => {
        assert.ok(error instanceof DamagedLogError)
        assert.match(error.message, message)
        assert.match(error.message, /must not vote/)
        return true
      })
    })
  }

  it('is not believed when it is an earlier copy', async () => {
    await cp(join(directory, 'db'), join(directory, 'earlier'), { recursive: true })
    await append({ hardState: { term: 10, vote: 2 } })
    await rm(join(directory, 'db'), { recursive: true })
    await cp(join(directory, 'earlier'), join(directory, 'db'), { recursive: true })
    await assert.rejects(load(), /acknowledged write 2, and the newest one found is write 1/)
  })

  it('is believed when a power cut took the last note, or tore it', async () => {
    const path = join(directory, 'witness')
    const noted = await readFile(path)
    await append({ entries: run(4, 4, 1) })
    const last = await readFile(path)
    const slot = last.subarray(0, 4096).equals(noted.subarray(0, 4096)) ? 4096 : 0
    for (let torn = 0; torn <= 11; torn++) {
      const bytes = Buffer.from(last)
      bytes.set(noted.subarray(slot + torn, slot + 4096), slot + torn)
      await writeFile(path, bytes)
      assert.equal((await load()).entries.length, 4, `torn after ${torn} bytes`)
    }
  })
})
