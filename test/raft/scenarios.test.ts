import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Story } from './story.js'

/** The scripts are read from the sources, and with REWRITE=1 written there: the diff is then the review. */
const FOLDER = fileURLToPath(new URL('../../../test/raft/scenarios', import.meta.url))

/** Prose and blank lines stay; after each `> command` comes what happened, replacing what stood there. */
function retell(script: string): string {
  const story = new Story()
  const told: string[] = []
  let afterCommand = false
  for (const line of script.split('\n')) {
    if (line.startsWith('> ')) told.push(line, ...story.perform(line.slice(2)))
    else if (!afterCommand || line === '' || line.startsWith('# ')) told.push(line)
    afterCommand = line.startsWith('> ') || (afterCommand && line !== '' && !line.startsWith('# '))
  }
  return told.join('\n')
}

describe('scenarios: stories of several nodes, told message by message', () => {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt'))) {
    it(name.replace('.txt', '').replaceAll('_', ' '), () => {
      const script = readFileSync(join(FOLDER, name), 'utf8')
      const retold = retell(script)
      if (process.env.REWRITE === '1') writeFileSync(join(FOLDER, name), retold)
      else assert.equal(retold, script)
    })
  }
})
