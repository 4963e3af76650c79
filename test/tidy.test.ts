import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type PackageFile, ungrantedImports, unusedDependencies } from './tidy/dependencies.js'
import { forbiddenImports, importCycles, STATIONS, strayFiles, upstreamStations } from './tidy/layering.js'
import { brokenLinks } from './tidy/links.js'
import * as rules from './tidy/rules.js'
import { filesOf, ROOT, readText, type TextFile, toSource } from './tidy/source.js'

/** Style is a test: each of these reads the whole repository, and says what to do instead. */

const paths = filesOf()
const files: TextFile[] = paths.map((path) => ({ path, text: readText(path) }))
const sources = files.filter(({ path }) => path.endsWith('.ts')).map(toSource)
const packageFile = JSON.parse(readText('package.json')) as PackageFile & { scripts: Record<string, string> }

function none(breaches: readonly string[]): void {
  assert.ok(breaches.length === 0, `\n${breaches.join('\n')}`)
}

describe('tidy', () => {
  it('sees the repository', () => {
    const seen = new Set(sources.map(({ path }) => path.split('/')[0]))
    assert.deepEqual(
      ['examples', 'raft', 'scripts', 'src', 'test'].filter((folder) => !seen.has(folder)),
      [],
    )
    const imports = sources.flatMap((source) => source.imports)
    assert.ok(
      imports.length > 2 * sources.length,
      `only ${imports.length} imports in ${sources.length} files`,
    )
  })

  it('files import only what their station may', () => {
    none([...upstreamStations(STATIONS), ...forbiddenImports(sources)])
  })

  it('no files import each other in a ring', () => none(importCycles(sources)))

  it('every file is imported, or started by something', () => none(strayFiles(sources, isEntry)))

  it('scripts/test runs every file of tests', () => {
    const searches = [...readText('scripts/test').matchAll(/\$\((find [^)]*)\)/g)].map((match) => match[1]!)
    const run = searches.map(
      (search) => spawnSync('sh', ['-c', search], { cwd: ROOT, encoding: 'utf8' }).stdout,
    )
    const found = new Set(run.join('\n').split('\n'))
    const missed = paths.filter((path) => path.endsWith('.test.ts') && !found.has(path))
    none(missed.map((path) => `${path} is not among the files that scripts/test finds; move it below test/`))
  })

  it('no folder is named utils, helpers or common', () => none(rules.vagueFolders(paths)))

  it('the two hearts are pure', () => none(rules.impurities(sources)))

  it('no shortcuts are left in the code', () => none(rules.bannedShortcuts(sources)))

  it('each fault has a test that names it', () => none(rules.untriedFaults(files)))

  it('files hold one idea each', (t) => {
    const median = rules.medianLines(sources)
    t.diagnostic(`median of product files: ${median} lines`)
    none([...rules.longFiles(sources), ...rules.oddMedian(median)])
  })

  it('nothing speaks of one machine only', () => none(rules.machineTraces(files)))

  it('package.json grants what is imported, and no more', () => {
    none([...ungrantedImports(sources, packageFile), ...unusedDependencies(sources, packageFile, isTool)])
  })

  it('links in Markdown lead somewhere', () => {
    none(
      brokenLinks(
        files.filter(({ path }) => path.endsWith('.md')),
        paths,
      ),
    )
  })

  it('each feature that the README compares is pointed at in a test', () => {
    const compared = firstCells(readText('README.md').split('## How it compares')[1]!)
    assert.deepEqual(firstCells(readText('docs/features.md')), compared)
  })

  it('the generated protocol is what the contract says', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lockkeeper-tidy-'))
    try {
      // buf.gen.yaml writes to ../protocol, seen from where it is asked to.
      const [buf, proto] = [join(ROOT, 'node_modules/.bin/buf'), 'lockkeeper.proto']
      cpSync(join(ROOT, 'src/api'), join(folder, 'api'), { recursive: true })
      execFileSync(buf, ['generate', proto, '--output', join(folder, 'api')], { cwd: join(ROOT, 'src/api') })
      const generated = readFileSync(join(folder, 'protocol/lockkeeper.ts'), 'utf8')
      const isSame = generated === readText('src/protocol/lockkeeper.ts')
      assert.ok(isSame, 'src/protocol/lockkeeper.ts is not what lockkeeper.proto says; run: npm run generate')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** The tests, what the package offers, and what its scripts and its pages start: by the name that the compiler gives it. */
function isEntry(path: string): boolean {
  const isScript = (file: TextFile): boolean =>
    ['package.json', 'docs/which-lock.md'].includes(file.path) || /^scripts\/[\w-]+$/.test(file.path)
  const compiled = `dist/${path.replace(/\.ts$/, '.js')}`
  return path.endsWith('.test.ts') || files.some((file) => isScript(file) && file.text.includes(compiled))
}

/** Whether the package is there for a command that a script of ours runs, or for types that the compiler is told of. */
function isTool(name: string): boolean {
  if (name.startsWith('@types/'))
    return readText('tsconfig.json').includes(`"${name.slice('@types/'.length)}"`)
  const { bin = {} } = JSON.parse(readText(`node_modules/${name}/package.json`)) as {
    bin?: Record<string, string>
  }
  const commands = [...Object.values(packageFile.scripts), readText('src/api/buf.gen.yaml')].join('\n')
  return Object.keys(bin).some((command) => new RegExp(`(^|[\\s/])${command}(\\s|$)`, 'm').test(commands))
}

/** Of the first table in the text: the first cell of each row. */
function firstCells(markdown: string): string[] {
  const table = /^\|(?:.*\n\|)*/m.exec(markdown)![0]
  const rows = table.split('\n').slice(2)
  return rows.map((row) => row.split('|')[1]!.trim()).filter((cell) => cell !== '')
}
