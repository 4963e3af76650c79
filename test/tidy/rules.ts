import type { Source, TextFile } from './source.js'

/** Each rule returns a sentence for every breach: where, what, and what to do instead. */

const HEARTS = /^(raft|src\/machine)\//
const GENERATED = /^src\/protocol\//

/** What would make the same input give another output: time, chance, the world, and waiting for it. */
const IMPURE =
  /\b(Date|Math\.random|performance|async|await|Promise|setTimeout|setInterval|setImmediate|queueMicrotask|process|console|globalThis|crypto|fetch)\b/g

export function impurities(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => HEARTS.test(path))
    .flatMap((source) => [
      ...places(source, source.code, IMPURE).map(
        ({ place, found }) =>
          `${place} uses ${found}; the hearts are pure: take it in as a parameter or an input`,
      ),
      ...source.imports
        .filter(({ isOurs }) => !isOurs)
        .map(
          ({ target }) =>
            `${source.path} imports ${target}; the hearts depend on nothing: take it in as a parameter`,
        ),
    ])
}

/** Shortcuts that the compiler or the test runner would let pass. */
const BANNED_CODE: readonly (readonly [RegExp, string])[] = [
  [/\bas any\b/g, 'name the type, or take `unknown` and check it'],
  [/\.only\(/g, 'run one test with --test-name-pattern instead'],
  [/\b(it|test|describe|suite|t)\.skip\(/g, 'repair the test or delete it'],
  [/\.todo\(/g, 'write the test or open an issue'],
  [/\brequire\(/g, 'use import'],
]
const BANNED_COMMENTS: readonly (readonly [RegExp, string])[] = [
  [/\b(TODO|FIXME|XXX)\b/g, 'do it now, or open an issue'],
  [/@ts-(ignore|nocheck|expect-error)\b/g, 'repair the type'],
]

export function bannedShortcuts(sources: readonly Source[]): string[] {
  const find = (source: Source, text: string, bans: typeof BANNED_CODE): string[] =>
    bans.flatMap(([pattern, remedy]) =>
      places(source, text, pattern).map(({ place, found }) => `${place} has \`${found}\`; ${remedy}`),
    )
  return sources
    .filter(({ path }) => !GENERATED.test(path))
    .flatMap((source) => [
      ...find(source, source.code, BANNED_CODE),
      ...find(source, source.comments, BANNED_COMMENTS),
    ])
}

/** The faults that consensus and storage must survive (docs/faults.md), by the numbers that tests name in their titles. */
const FAULTS = 32
const NUMBERED = /\(faults? ([\d, and]+)\)/g

/** A fault that no test is named after is one that nobody provokes. */
export function untriedFaults(files: readonly TextFile[]): string[] {
  const tried = new Set<number>()
  for (const { path, text } of files) {
    if (!/^test\/.*\.ts$/.test(path) || path.startsWith('test/tidy/')) continue
    for (const [, numbers] of text.matchAll(NUMBERED))
      for (const number of numbers!.match(/\d+/g)!) tried.add(Number(number))
  }
  const missing = Array.from({ length: FAULTS }, (_, k) => k + 1).filter((number) => !tried.has(number))
  return missing.map(
    (number) => `no test is named after fault ${number}; write one, and put (fault ${number}) in its title`,
  )
}

const VAGUE_FOLDERS = /(^|\/)(utils?|helpers?|common|shared|misc|lib)\//

export function vagueFolders(paths: readonly string[]): string[] {
  return paths
    .filter((path) => VAGUE_FOLDERS.test(path))
    .map((path) => `${path} lies in a folder that says nothing; name the folder after its one idea`)
}

const LINES_MAX = 500
const MEDIAN_LINES = { min: 60, max: 200 }

export function longFiles(sources: readonly Source[]): string[] {
  return written(sources)
    .filter((source) => lines(source) > LINES_MAX)
    .map(
      (source) =>
        `${source.path} has ${lines(source)} lines, more than ${LINES_MAX}; it is two ideas: find the seam`,
    )
}

/** Of product code. */
export function medianLines(sources: readonly Source[]): number {
  const counts = written(sources)
    .filter(({ path }) => /^(raft|src)\//.test(path))
    .map(lines)
    .sort((a, b) => a - b)
  return counts[counts.length >> 1] ?? 0
}

export function oddMedian(median: number): string[] {
  if (median > MEDIAN_LINES.max)
    return [`the median file has ${median} lines; files have grown beyond one idea`]
  return median < MEDIAN_LINES.min
    ? [`the median file has ${median} lines; ideas are scattered over files`]
    : []
}

function written(sources: readonly Source[]): Source[] {
  return sources.filter(({ path }) => !GENERATED.test(path))
}

function lines({ text }: TextFile): number {
  return text.trimEnd().split('\n').length
}

/** Where somebody's files lie. */
const MACHINE_PATH =
  /(?<![\w.~-])\/(?:home|root|Users|work|mnt)\/[\w.-]+|(?<![\w.~-])\/tmp\/(?!lockkeeper)[\w.-]+/g
/** In a lock file: from where somebody downloaded. */
const REGISTRY = /"resolved":\s"(?!https:\/\/registry\.npmjs\.org\/)/g

export function machineTraces(files: readonly TextFile[]): string[] {
  return files.flatMap((file) =>
    [...places(file, file.text, MACHINE_PATH), ...places(file, file.text, REGISTRY)].map(
      ({ place, found }) =>
        `${place} has ${found}, which is of one machine only; make it relative, or a parameter`,
    ),
  )
}

interface Found {
  readonly place: string
  readonly found: string
}

/** `text` is that of the file, or a view of it with the same lines. */
function places({ path }: TextFile, text: string, pattern: RegExp): Found[] {
  return [...text.matchAll(pattern)].map((match) => ({
    place: `${path}:${text.slice(0, match.index).split('\n').length}`,
    found: match[0],
  }))
}
