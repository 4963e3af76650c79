import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { shown } from './page.js'

const TESTS = fileURLToPath(new URL('../../../test/examples', import.meta.url))

test('every command that docs/which-lock.md shows is run by a test', () => {
  const tests = readdirSync(TESTS).map((file) => readFileSync(join(TESTS, file), 'utf8'))
  const commands = shown().map(({ command }) => command)
  assert.ok(commands.length > 0)
  const untried = commands.filter((command) => !tests.some((text) => text.includes(`'${command}'`)))
  assert.deepEqual(untried, [])
})
