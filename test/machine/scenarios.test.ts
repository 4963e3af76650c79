/** With REWRITE=1 the stories are written anew; read the difference before you keep it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { playScript } from './script.js'

const FOLDER = join(process.cwd(), 'test/machine/scenarios')

describe('the stories', () => {
  for (const file of readdirSync(FOLDER)) {
    it(file.replace('.txt', '').replaceAll('_', ' '), () => {
      const path = join(FOLDER, file)
      const told = readFileSync(path, 'utf8')
      const played = playScript(told)
      if (process.env.REWRITE === '1') writeFileSync(path, played)
      else assert.equal(played, told)
    })
  }
})
