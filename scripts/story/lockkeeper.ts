import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
/** From the root of the repository. */
export const CLI = 'dist/src/cli/main.js'

/** Runs the command line, as a person would. Resolves with its stdout; rejects if its exit code is not 0. */
export function lockkeeper(addresses: string, args: readonly string[], over: AbortSignal): Promise<string> {
  const env = { ...process.env, LOCKKEEPER_ADDRESSES: addresses }
  return new Promise((resolve, reject) => {
    const options = { cwd: ROOT, env, signal: over, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, [CLI, ...args], options, (error, stdout) => {
      if (error) reject(error)
      else resolve(stdout)
    })
  })
}

/** The lines of the table that such a text ends with, each by the titles of its columns. */
export function rowsOf(text: string): Record<string, string | undefined>[] {
  const [titles = [], ...lines] = text.trimEnd().split('\n\n').at(-1)!.split('\n').map(cellsOf)
  return lines.map((cells) => Object.fromEntries(cells.map((cell, k) => [titles[k], cell])))
}

function cellsOf(line: string): string[] {
  return line.trim().split(/\s{2,}/)
}
