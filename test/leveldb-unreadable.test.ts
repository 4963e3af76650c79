import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { Level } from 'level'

const DATABASE = new URL('../src/leveldb/database.js', import.meta.url).href
const LEVEL = import.meta.resolve('level')

it('a process that has no file descriptor left does not take a disk for damaged: its node would throw it away', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'unreadable-'))
  try {
    const level = new Level(directory)
    await level.put('k', 'v')
    await level.close()
    // The next one that opens it writes that into a table, which is opened when it is read.
    const again = new Level(directory)
    await again.open()
    await again.close()
    const script = `
      import { openSync } from 'node:fs'
      import { Level } from ${JSON.stringify(LEVEL)}
      import { isUnreadable } from ${JSON.stringify(DATABASE)}
      const level = new Level(${JSON.stringify(directory)})
      await level.open()
      try {
        for (;;) openSync('/dev/null')
      } catch {}
      await level.get('k').catch((error) => console.log(String(error.cause ?? error), isUnreadable(error)))
      process.exit()`
    const limited = 'ulimit -n 256 && exec "$0" --input-type=module -e "$1"'
    const { stdout } = await promisify(execFile)('sh', ['-c', limited, process.execPath, script])
    assert.match(stdout, /Too many open files.* false\n$/)
  } finally {
    await rm(directory, { recursive: true })
  }
})
