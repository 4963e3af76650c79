import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A file of this repository; `path` is relative to its root, with forward slashes. */
export interface TextFile {
  readonly path: string
  readonly text: string
}

/** A TypeScript file, as far as the rules look at it. */
export interface Source extends TextFile {
  /** Without comments, and with the contents of strings and regular expressions blanked out. */
  readonly code: string
  /** The comments alone. */
  readonly comments: string
  readonly imports: readonly Import[]
  /** Files of ours that it starts, or hands to somebody who does: `new URL('./child.js', import.meta.url)`. */
  readonly starts: readonly string[]
}

export interface Import {
  /** Of a file of ours: its path. Otherwise as written: `node:fs`, `level`, `@grpc/grpc-js`. */
  readonly target: string
  readonly isOurs: boolean
  /** Only types are taken over: nothing of it is left at run time. */
  readonly isType: boolean
}

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

const NOT_OURS = new Set(['node_modules', 'dist', 'data', '.git'])

/** All files below the root, or below some of its folders, that are not made by a tool. */
export function filesOf(folder = ''): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true })
  return entries.flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    if (NOT_OURS.has(entry.name)) return []
    return entry.isDirectory() ? filesOf(path) : [path]
  })
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

export function toSource({ path, text }: TextFile): Source {
  const { code, comments } = separate(text)
  const imports = quoted(text, code, IMPORT).map(({ content, match }) => toImport(path, content, match))
  const started = quoted(text, code, START).filter(({ content }) => content.endsWith('.js'))
  const starts = started.map(({ content }) => resolve(path, content))
  return { path, text, code, comments, imports, starts }
}

/**
 * What ends a stretch of code: a comment, a string, a template's next piece of text, a regular expression. The last is
 * told from a division by what stands before it.
 */
const PIECE =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`|[{}]|(?<=(?:^|[=(,:;!&|?{}[\n>]|return)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//g
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^\\`$])*(?:`|\$\{)/y

/** Both results have the length and the lines of `text`. */
function separate(text: string): { code: string; comments: string } {
  let code = ''
  let comments = ''
  let at = 0
  /** Braces open in each template expression we are in, innermost last. */
  const depths: number[] = []
  const take = (end: number, kind: 'code' | 'comment' | 'text'): void => {
    const piece = text.slice(at, end)
    code += kind === 'code' ? piece : blank(piece)
    comments += kind === 'comment' ? piece : blank(piece)
    at = end
  }
  const takeTemplateText = (): void => {
    TEMPLATE_TEXT.lastIndex = at
    const end = TEMPLATE_TEXT.exec(text) === null ? text.length : TEMPLATE_TEXT.lastIndex
    const opens = text.slice(end - 2, end) === '${'
    take(end, 'text')
    if (opens) depths.push(0)
  }
  const pieces = new RegExp(PIECE)
  for (;;) {
    pieces.lastIndex = at
    const found = pieces.exec(text)
    if (found === null) break
    const [piece] = found
    take(found.index, 'code')
    const end = at + piece.length
    if (piece === '`') {
      take(end, 'code')
      takeTemplateText()
    } else if (piece === '}' && depths.at(-1) === 0) {
      depths.pop()
      take(end, 'text')
      takeTemplateText()
    } else if (piece === '{' || piece === '}') {
      if (depths.length > 0) depths[depths.length - 1]! += piece === '{' ? 1 : -1
      take(end, 'code')
    } else if (piece.startsWith('//') || piece.startsWith('/*')) {
      take(end, 'comment')
    } else {
      take(at + 1, 'code')
      take(end - 1, 'text')
      take(end, 'code')
    }
  }
  take(text.length, 'code')
  return { code, comments }
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}

/** Static and dynamic imports, re-exports, and `import('…')` in a type. */
const IMPORT =
  /\b(?:(?:import|export)\s+(?<type>type)\b[^'";]*)?\b(?:from|import\s*\(?)\s*(?<string>'\s*'|"\s*")/dg
const START = /\bnew URL\(\s*(?<string>'\s*'|"\s*")/dg

interface Quoted {
  readonly content: string
  readonly match: RegExpMatchArray
}

/** Where there is code, and what its string says: the quotes are still in the code, the text between them is not. */
function quoted(text: string, code: string, pattern: RegExp): Quoted[] {
  return [...code.matchAll(pattern)].map((match) => {
    const [start, end] = match.indices!.groups!.string!
    return { content: text.slice(start + 1, end - 1), match }
  })
}

function toImport(path: string, specifier: string, match: RegExpMatchArray): Import {
  const isOurs = specifier.startsWith('.')
  const target = isOurs ? resolve(path, specifier) : specifier
  return { target, isOurs, isType: match.groups?.type !== undefined }
}

/** Code names what the compiler makes of a file: `./queues.js` is `./queues.ts`. */
function resolve(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
}
