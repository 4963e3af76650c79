import { posix } from 'node:path'
import type { TextFile } from './source.js'

const FENCED = /^(`{3,}|~{3,})[\s\S]*?^\1/gm
const INLINE_CODE = /`[^`\n]*`/g
const LINK = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s*(\S+)/gm
const HEADING = /^#{1,6}\s+(.*?)\s*#*$/gm
const ELSEWHERE = /^(https?|mailto):/

/** Links of Markdown files that lead nowhere within the repository, headings included. `paths` are all its files. */
export function brokenLinks(markdown: readonly TextFile[], paths: readonly string[]): string[] {
  const known = new Set(paths.flatMap((path) => [path, ...foldersAbove(path)]))
  const anchors = new Map(markdown.map(({ path, text }) => [path, anchorsOf(text)]))
  return markdown.flatMap(({ path, text }) =>
    linksOf(text)
      .filter((link) => {
        const [file = '', anchor] = link.split('#')
        const target =
          file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file)).replace(/\/$/, '')
        if (!known.has(target)) return true
        return anchor !== undefined && anchors.get(target)?.has(anchor) === false
      })
      .map((link) => `${path} links to ${link}, which is not there; correct the link`),
  )
}

function linksOf(text: string): string[] {
  const prose = text.replace(FENCED, '').replace(INLINE_CODE, '')
  return [...prose.matchAll(LINK)]
    .map((match) => match[1] ?? match[2]!)
    .filter((link) => !ELSEWHERE.test(link))
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replace(FENCED, '').matchAll(HEADING)].map((match) => match[1]!)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
}

function foldersAbove(path: string): string[] {
  const folder = posix.dirname(path)
  return folder === '.' ? ['.'] : [folder, ...foldersAbove(folder)]
}
