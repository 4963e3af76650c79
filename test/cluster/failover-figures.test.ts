import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const COMMAND = fileURLToPath(new URL('../../scripts/failover/main.js', import.meta.url))
/** More than a busy machine needs for an election, and less than a client that waits for its next renewal: 9 s. */
const MS_MAX = 5_000

interface Row {
  readonly leader: string
  readonly failed: number
  readonly eachMs: readonly number[]
}

test('the command that measures what a failure costs: each kind once, and no request fails', {
  timeout: 120_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'lockkeeper-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'rows.json')
  const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, '--trials', '1', '--json', file])
  t.diagnostic(stdout)
  const rows = JSON.parse(await readFile(file, 'utf8')) as Row[]
  const took = new Map(rows.map(({ leader, failed, eachMs }) => [leader, [failed, ...eachMs]]))
  assert.deepEqual([...took.keys()], ['killed', 'frozen', 'cut', 'stopped'])
  for (const [how, [failed, tookMs, ...more]] of took) {
    assert.deepEqual([failed, more], [0, []], how)
    assert.ok(tookMs! > 0 && tookMs! <= MS_MAX, `${how}: ${tookMs} ms`)
  }
})
