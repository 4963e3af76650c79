import { createHash } from 'node:crypto'
import { type Held, RefusedError } from '../client/index.js'
import { CliError, EXIT } from './exit-codes.js'
import { complain } from './failures.js'
import { connected, runWhileHeld } from './holding.js'
import { orWhyNot } from './why-not.js'

export interface OnceRequest {
  /** host:port, separated by commas. */
  readonly addresses: string
  readonly key: string
  readonly command: readonly string[]
  /** How long what came of it is kept. */
  readonly keepMs: number
  /** By default a digest of the command. */
  readonly fingerprint: string | undefined
  readonly ttlMs: number
  readonly waitMs: number | undefined
  readonly label: string
}

/** What is kept of a command that ended well. */
interface Kept {
  /** What it wrote to its stdout; '' if that was too much to be kept. */
  readonly output: string
  readonly isCut: boolean
}

/** Of output as JSON; the rest of what the cluster keeps of a result is for what surrounds it. */
const OUTPUT_BYTES_MAX = 15 * 1024

/**
 * Runs a command unless it has been run with this key, and prints what it wrote then. Resolves with the exit code. A
 * command that fails does not count: the next who asks runs it again.
 */
export function runOnce(request: OnceRequest): Promise<number> {
  const { addresses, key, command, keepMs, ttlMs, waitMs, label } = request
  return connected({ addresses, ttlMs, what: `"${key}"` }, async (keeper, relay) => {
    let hasRun = false
    const work = async (held: Held): Promise<Kept> => {
      hasRun = true
      const chunks: Buffer[] = []
      const environment = { LOCKKEEPER_NAME: key, LOCKKEEPER_TOKEN: String(held.token) }
      const onOutput = (chunk: Buffer): void => {
        if (sizeOf(chunks) <= OUTPUT_BYTES_MAX) chunks.push(chunk)
      }
      const code = await runWhileHeld(held, { command, ttlMs, environment, onOutput }, relay)
      if (code !== 0) throw new Unfinished(code)
      return toKept(Buffer.concat(chunks).toString())
    }
    const fingerprint = request.fingerprint ?? digestOf(command)
    const options = { ttl: keepMs, fingerprint, label, signal: relay.stopped }
    try {
      const asked = { ...options, ...(waitMs !== undefined && { waitMs }) }
      const kept = await orWhyNot(keeper, [key], () => keeper.once(key, work, asked))
      if (!hasRun) process.stdout.write(kept.output)
      if (kept.isCut) complain(`"${key}" was done; what it wrote was too long to be kept for others.`)
      return 0
    } catch (error) {
      if (error instanceof Unfinished) return error.code
      if (error instanceof RefusedError && error.code === 'CONFLICT') throw otherWork(key)
      throw error
    }
  })
}

function otherWork(key: string): CliError {
  const remedy = 'Use another key; or, if it is the same work, say so by the same --fingerprint.'
  return new CliError(EXIT.notNow, `The key "${key}" is in use for another command. ${remedy}`)
}

class Unfinished extends Error {
  constructor(readonly code: number) {
    super(`exit code ${code}`)
  }
}

function toKept(output: string): Kept {
  const isCut = Buffer.byteLength(JSON.stringify(output)) > OUTPUT_BYTES_MAX
  return { output: isCut ? '' : output, isCut }
}

function sizeOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}

function digestOf(command: readonly string[]): string {
  return createHash('sha256').update(command.join('\0')).digest('hex').slice(0, 32)
}
