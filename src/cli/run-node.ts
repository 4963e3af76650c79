import { startNode } from '../main.js'
import type { NodeConfig } from '../platform/config.js'
import { createLogger, type LogLevel } from '../platform/logger.js'
import { CliError, EXIT, exitCodeOfSignal } from './exit-codes.js'
import { complain, messageOf } from './failures.js'
import { onEndSignal } from './signals.js'

/**
 * Runs one node in this process until a signal asks it to stop; resolves when it has stopped in order, with exit code
 * 0. Rejects with a `CliError` if the node can't start, or stops itself.
 */
export async function runNode(config: NodeConfig, logLevel: LogLevel): Promise<number> {
  const stopAsked = askedToStop()
  const logger = createLogger(logLevel, { cluster: config.clusterId, node: config.id })
  let onFatal!: (error: Error) => void
  const fatal = new Promise<never>((_, reject) => {
    onFatal = (error) => reject(stoppedItself(config, error))
  })
  const starting = startNode(config, { logger, onFatal }).catch((error: unknown) => {
    throw cannotStart(config, error)
  })
  const node = await Promise.race([starting, fatal])
  process.stdout.write(`${readyLine(config, node.clientAddress)}\n`)
  await Promise.race([stopAsked, fatal])
  await Promise.race([node.stop(), fatal])
  return 0
}

/** For people and for scripts, which wait for the word "ready". */
export function readyLine({ id, clusterId, peer, data }: NodeConfig, clientAddress: string): string {
  return `lockkeeper: node ${id} of cluster ${clusterId} is ready: clients at ${clientAddress}, peers at ${peer}, data in ${data}`
}

/** Resolves at the first signal; a second one ends the process at once. */
function askedToStop(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    onEndSignal((signal) => {
      if (asked) process.exit(exitCodeOfSignal(signal))
      asked = true
      complain(`${signal}: stopping in order. Send it again to stop at once.`)
      resolve()
    })
  })
}

function stoppedItself({ id }: NodeConfig, error: unknown): CliError {
  const remedy = 'Nothing it acknowledged is lost; see its log for the cause before you start it again.'
  return new CliError(EXIT.fatal, `Node ${id} stopped itself: ${messageOf(error)}. ${remedy}`)
}

/** What people meet most, with what to do; everything else speaks for itself. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /EADDRINUSE/,
    'Another process listens on that port: stop it (perhaps this node runs already), or change the port.',
  ],
  [/EADDRNOTAVAIL|ENOTFOUND/, 'That address is not one of this machine: is --node the right one for it?'],
  [
    /LEVEL_LOCKED/,
    'Another process uses this data directory: stop it, or give this node a directory of its own.',
  ],
  [/EACCES|EPERM/, 'This user may not do that: change the owner of the directory, or use a port above 1023.'],
  [/ENOSPC/, 'The disk is full: make room and start the node again.'],
]

export function cannotStart({ id }: NodeConfig, error: unknown): CliError {
  const told = withCauses(error)
  const remedy = REMEDIES.find(([pattern]) => pattern.test(told))?.[1] ?? 'See its log for more.'
  return new CliError(EXIT.fatal, `Node ${id} can't start: ${messageOf(error)}. ${remedy}`)
}

/** Codes and messages down the chain of causes: libraries wrap what matters. */
function withCauses(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : ''
  return `${code} ${error.message} ${withCauses(error.cause ?? '')}`
}
