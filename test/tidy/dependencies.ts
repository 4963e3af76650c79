import { isBuiltin } from 'node:module'
import type { Source } from './source.js'

export interface PackageFile {
  readonly name: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/**
 * Imports of packages that package.json does not grant. Product code may only use what is installed in production; examples
 * too, and the package itself, as its users have it.
 */
export function ungrantedImports(sources: readonly Source[], granted: PackageFile): string[] {
  return sources.flatMap(({ path, imports }) => {
    const [, folder] = /^(raft|src|examples)\//.exec(path) ?? []
    const itself = folder === 'examples' ? { [granted.name]: '' } : {}
    const isProduct = folder !== undefined
    const may = { ...granted.dependencies, ...(isProduct ? itself : granted.devDependencies) }
    return packagesOf(imports)
      .filter((name) => may[name] === undefined)
      .map(
        (name) =>
          `${path} imports ${name}; add it to ${isProduct ? 'dependencies' : 'devDependencies'}, or do without`,
      )
  })
}

/**
 * Dependencies that nobody uses: product code imports every one of `dependencies`; tests and scripts import those of
 * `devDependencies`, or `isTool` knows what else they are there for.
 */
export function unusedDependencies(
  sources: readonly Source[],
  { dependencies, devDependencies }: PackageFile,
  isTool: (name: string) => boolean,
): string[] {
  const used = new Set(sources.flatMap(({ imports }) => packagesOf(imports)))
  const product = sources.filter(({ path }) => path.startsWith('src/'))
  const usedByProduct = new Set(product.flatMap(({ imports }) => packagesOf(imports)))
  return [
    ...Object.keys(dependencies).filter((name) => !usedByProduct.has(name)),
    ...Object.keys(devDependencies).filter((name) => !used.has(name) && !isTool(name)),
  ].map((name) => `package.json depends on ${name}, which nobody uses; remove it`)
}

function packagesOf(imports: Source['imports']): string[] {
  return imports
    .filter(({ target, isOurs }) => !isOurs && !isBuiltin(target))
    .map(({ target }) =>
      target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/'),
    )
}
