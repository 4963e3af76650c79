import { isNode, LineCounter, parseDocument } from 'yaml'
import { ConfigError } from './config-error.js'

export type KeyPath = readonly PropertyKey[]

/** A YAML document that still knows where everything stood. */
export interface LocatedYaml {
  readonly value: unknown
  /** Line, from 1, of what stands at `path`, or of the innermost thing around it that is there. */
  lineOf(path: KeyPath): number | undefined
}

/** Throws a `ConfigError` with the lines at which `text` is no YAML. */
export function parseYaml(file: string, text: string): LocatedYaml {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos }) => ({
      line: lines.linePos(pos[0]).line,
      key: '',
      text: `this is not valid YAML (${message}); mind the indentation, and compare with cluster-configs/three.yaml`,
    }))
    throw new ConfigError(file, problems)
  }

  const lineOf = (path: KeyPath): number | undefined => {
    const node = document.getIn(path, true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
    return path.length === 0 ? undefined : lineOf(path.slice(0, -1))
  }
  return { value: document.toJS(), lineOf }
}

/** `['nodes', 1, 'peer']` is `nodes[1].peer`. */
export function keyText(path: KeyPath): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return text.replace(/^\./, '')
}
