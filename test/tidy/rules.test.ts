import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ungrantedImports, unusedDependencies } from './dependencies.js'
import { forbiddenImports, importCycles, strayFiles, upstreamStations } from './layering.js'
import { brokenLinks } from './links.js'
import * as rules from './rules.js'
import { type Source, toSource } from './source.js'

/** A check that has gone blind passes always: here each one sees what was planted for it, and nothing else. */

function plant(files: Record<string, string>): Source[] {
  return Object.entries(files).map(([path, text]) => toSource({ path, text }))
}

/** The path, and the line if there is one, that each breach begins with. */
function whereabouts(breaches: readonly string[]): string[] {
  return breaches.map((breach) => breach.split(' ')[0]!)
}

describe('what a source file says', () => {
  it('tells code from comments, strings, templates and regular expressions', () => {
    const text = [
      `// import a from './comment.js'`,
      `const string = 'import b from "./string.js"'`,
      `const template = \`\${\`as any \${Date.now()}\`} TODO } \${{ a: 1 }.a}\``,
      String.raw`const pattern = /['"/\]]/u.test(x) ? a / b / c : '/* no comment */'`,
      '/* TODO */ export const last = 1',
    ].join('\n')
    const { code, comments } = toSource({ path: 'src/a.ts', text })
    assert.deepEqual(code.match(/Date|TODO|as any|comment|string\.js|last|\{ a: 1 \}\.a|a \/ b/g), [
      'Date',
      '{ a: 1 }.a',
      'a / b',
      'last',
    ])
    assert.deepEqual(comments.match(/TODO|comment/g), ['comment', 'TODO'])
    assert.equal(code.split('\n').length, 5)
  })

  it('finds imports however they are written', () => {
    const text = [
      `import fs from 'node:fs'`,
      `import type { A } from '../b/a.js'`,
      `import {\n  type B,\n  C,\n} from "./c.js"`,
      `export { D } from './d.js'`,
      `export type { E } from './e.js'`,
      `export * from './f.js'`,
      `import './g.js'`,
      `const h = await import('./h.js')`,
      `const i = Array.from('./no.js')`,
      `const j = new URL('./j.js', import.meta.url)`,
    ].join('\n')
    const { imports, starts } = toSource({ path: 'src/x/a.ts', text })
    const targets = imports.map(({ target, isType }) => (isType ? `type ${target}` : target))
    assert.deepEqual(targets, [
      'node:fs',
      'type src/b/a.ts',
      'src/x/c.ts',
      'src/x/d.ts',
      'type src/x/e.ts',
      'src/x/f.ts',
      'src/x/g.ts',
      'src/x/h.ts',
    ])
    assert.deepEqual(starts, ['src/x/j.ts'])
  })
})

describe('the rules see', () => {
  it('an import upstream, into a heart, or past the door of raft', () => {
    const breaches = forbiddenImports(
      plant({
        'raft/node.ts': `import { x } from '../src/machine/machine.js'`,
        'src/machine/machine.ts': `import { x } from '../replica/ports.js'`,
        'src/replica/replica.ts': `import { RaftNode } from '../../raft/node.js'`,
        'src/attachments/attachments.ts': `import { x } from '../machine/command.js'`,
        'src/client/keeper.ts': `import type { Clock } from '../replica/ports.js'`,
        'src/api/door.ts': `import { type Replica } from '../replica/replica.js'`,
        'src/platform/clock.ts': `import { x } from '../main.js'`,
        'src/elsewhere/a.ts': '',
        'test/a.test.ts': `import { x } from '../raft/node.js'`,
        // All well:
        'test/raft/a.test.ts': `import { x } from '../../raft/node.js'`,
        'src/api/calls.ts': `import type { Replica } from '../replica/replica.js'`,
        'src/log-store/a.ts': `import { x } from '../replica/ports.js'\nimport { y } from '../../raft/index.js'`,
      }),
    )
    assert.deepEqual(whereabouts(breaches), [
      'raft/node.ts',
      'src/machine/machine.ts',
      'src/replica/replica.ts',
      'src/attachments/attachments.ts',
      'src/client/keeper.ts',
      'src/api/door.ts',
      'src/platform/clock.ts',
      'src/elsewhere/a.ts',
      'test/a.test.ts',
    ])
  })

  it('a station that may import what lies below it', () => {
    const breaches = upstreamStations([
      { place: 'raft/', mayImport: ['src/main.ts'] },
      { place: 'src/replica/', mayImport: ['raft/index.ts'], mayImportTypes: ['src/main.ts'] },
      { place: 'src/main.ts', mayImport: ['src/replica/ports.ts'] },
      { place: 'scripts/', mayImport: ['src/'] },
    ])
    assert.deepEqual(whereabouts(breaches), ['raft/', 'src/replica/'])
  })

  it('a ring of imports, but not one of types', () => {
    const ring = plant({
      'src/a.ts': `import { b } from './b.js'`,
      'src/b.ts': `export { c } from './c.js'`,
      'src/c.ts': `import { a } from './a.js'`,
      'src/d.ts': `import type { e } from './e.js'`,
      'src/e.ts': `import { d } from './d.js'\nimport { a } from './a.js'`,
    })
    assert.deepEqual(
      importCycles(ring).map((breach) => breach.split(';')[0]),
      ['src/a.ts → src/b.ts → src/c.ts → src/a.ts'],
    )
  })

  it('a file that nobody uses, and an import that leads nowhere', () => {
    const files = plant({
      'src/main.ts': `import './used.js'\nimport './gone.js'\nspawn(new URL('./child.js', import.meta.url))`,
      'src/used.ts': '',
      'src/child.ts': '',
      'src/forgotten.ts': `import './used.js'`,
    })
    const breaches = strayFiles(files, (path) => path === 'src/main.ts')
    assert.deepEqual(whereabouts(breaches), ['src/main.ts', 'src/forgotten.ts'])
    assert.match(breaches[0]!, /imports src\/gone\.ts/)
  })

  it('an impure heart', () => {
    const breaches = rules.impurities(
      plant({
        'raft/a.ts': `import { level } from 'level'\nconst at = Date.now()`,
        'src/machine/b.ts': `export async function f() {\n  return Math.random()\n}`,
        'src/machine/c.ts': `import { readFileSync } from 'node:fs'`,
        'src/machine/d.ts': `// a Date, a Promise\nconst text = 'process'`,
        'src/replica/e.ts': `const at = Date.now()`,
      }),
    )
    assert.deepEqual(whereabouts(breaches), [
      'raft/a.ts:2',
      'raft/a.ts',
      'src/machine/b.ts:1',
      'src/machine/b.ts:2',
      'src/machine/c.ts',
    ])
  })

  it('shortcuts', () => {
    const breaches = rules.bannedShortcuts(
      plant({
        'src/a.ts': `// TODO later\nconst x = y as any\n// @ts-ignore\nconst z = require('z')`,
        'test/b.test.ts': `it.only('works', () => {})\nit.skip('fails', () => {})\nit.todo('comes')`,
        'test/c.test.ts': `const text = 'TODO as any'`,
      }),
    )
    assert.deepEqual(
      whereabouts(breaches).sort(),
      ['a.ts:1', 'a.ts:2', 'a.ts:3', 'a.ts:4']
        .map((it) => `src/${it}`)
        .concat(['b.test.ts:1', 'b.test.ts:2', 'b.test.ts:3'].map((it) => `test/${it}`)),
    )
  })

  it('faults that nobody provokes', () => {
    const titles = Array.from({ length: 31 }, (_, k) => `it('survives (fault ${k + 1})', () => {})`)
    const file = (text: string) => [{ path: 'test/a.test.ts', text }]
    assert.deepEqual(whereabouts(rules.untriedFaults(file(titles.join('\n')))), ['no'])
    assert.deepEqual(rules.untriedFaults(file(`${titles.join('\n')} (faults 7, 32)`)), [])
  })

  it('vague folders', () => {
    const breaches = rules.vagueFolders(['src/utils/a.ts', 'test/helpers/b.ts', 'src/machine/common.ts'])
    assert.deepEqual(whereabouts(breaches), ['src/utils/a.ts', 'test/helpers/b.ts'])
  })

  it('long files, and a median that has drifted', () => {
    const files = plant({
      'src/a.ts': 'x\n'.repeat(500),
      'src/b.ts': 'x\n'.repeat(501),
      'src/c.ts': 'x\n'.repeat(100),
      'src/protocol/generated.ts': 'x\n'.repeat(3_000),
      'test/d.ts': 'x\n'.repeat(2),
    })
    assert.deepEqual(whereabouts(rules.longFiles(files)), ['src/b.ts'])
    assert.equal(rules.medianLines(files), 500)
    assert.deepEqual(
      [59, 60, 200, 201].map((median) => rules.oddMedian(median).length),
      [1, 0, 0, 1],
    )
  })

  it('paths and registries of one machine', () => {
    // Put together here, so that this file has none itself.
    const [home, tmp] = ['home', 'tmp'].map((folder) => `/${folder}`)
    const text = `cd ${home}/me/x\ncat ${tmp}/me\nls ${tmp}/lockkeeper-1 ./home/me https://a.example/home/me`
    const lock = `{\n"${'resolved'}": "https://registry.example/x.tgz" }`
    const breaches = rules.machineTraces([
      { path: 'a.sh', text },
      { path: 'package-lock.json', text: lock },
    ])
    assert.deepEqual(whereabouts(breaches), ['a.sh:1', 'a.sh:2', 'package-lock.json:2'])
  })

  it('imports that package.json does not grant, and grants that nobody uses', () => {
    const granted = {
      name: 'this',
      dependencies: { level: '1', pino: '1' },
      devDependencies: { 'fast-check': '1', tool: '1' },
    }
    const files = plant({
      'src/a.ts': `import { level } from 'level'\nimport fc from 'fast-check'\nimport c from '@scope/c/d.js'`,
      'test/a.test.ts': `import { pino } from 'pino'\nimport { it } from 'node:test'`,
      'examples/a.ts': `import { connect } from 'this'\nimport { level } from 'level'\nimport fc from 'fast-check'`,
      'scripts/a.ts': `import { connect } from 'this'`,
    })
    assert.deepEqual(
      ungrantedImports(files, granted).map((breach) => breach.split(';')[0]),
      [
        'src/a.ts imports fast-check',
        'src/a.ts imports @scope/c',
        'examples/a.ts imports fast-check',
        'scripts/a.ts imports this',
      ],
    )
    const unused = unusedDependencies(files, granted, (name) => name === 'tool')
    assert.deepEqual(
      unused.map((breach) => breach.split(',')[0]),
      ['package.json depends on pino'],
    )
  })

  it('links that lead nowhere', () => {
    const text = [
      '# Our `one` Idea: a+b',
      '[ok](docs/) [ok](docs/b.md#two) [ok](#our-one-idea-ab) [ok](https://example.org/x.md)',
      '[gone](docs/c.md) [gone](docs/b.md#three) `[code](no.md)`',
      '```\n[fenced](no.md)\n```',
      '[gone]: ./no.md',
    ].join('\n')
    const markdown = [
      { path: 'README.md', text },
      { path: 'docs/b.md', text: '## Two\n[up](../README.md)' },
    ]
    const breaches = brokenLinks(markdown, ['README.md', 'docs/b.md'])
    assert.deepEqual(
      breaches.map((breach) => breach.split(' ')[3]),
      ['docs/c.md,', 'docs/b.md#three,', './no.md,'],
    )
  })
})
