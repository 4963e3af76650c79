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

/** The lines that such a table has, as their cells. */
export function cellsOf(table: string): string[][] {
  const lines = table.trimEnd().split('\n')
  return lines.map((line) => line.trim().split(/\s{2,}/))
}
