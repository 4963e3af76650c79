import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningNode, startNode } from '../main.js'
import type { NodeConfig } from '../platform/config.js'
import { tuneGarbageCollection } from '../platform/garbage-collection.js'
import { createLogger, type Logger, type LogLevel } from '../platform/logger.js'
import { lifeOf } from '../platform/member-id.js'
import { hasLostPromises, rejoin, repair, watchFencedOff } from '../repair/index.js'
import { CliError, EXIT, exitCodeOfSignal } from './exit-codes.js'
import { complain, messageOf } from './failures.js'
import { onEndSignal } from './signals.js'

/** A node that stops because it must is given this long to close its files. */
const CLOSE_MS = 5_000

/**
 * Runs one node in this process until a signal asks it to stop; resolves when it has stopped in order, with exit code
 * 0. A node that has lost what it promised is repaired from its peers. Rejects with a `CliError` if the node can't start,
 * or stops itself.
 */
export async function runNode(config: NodeConfig, logLevel: LogLevel): Promise<number> {
  tuneGarbageCollection()
  const stopAsked = new AbortController()
  const asked = askedToStop().then(() => stopAsked.abort())
  const logger = createLogger(logLevel, { cluster: config.clusterId, node: config.id })
  for (;;) {
    try {
      await runUntil(asked, config, logger)
      return 0
    } catch (error) {
      const cause = error instanceof CliError ? error.cause : error
      if (!hasLostPromises(cause)) throw error
      logger.error({ reason: messageOf(cause) }, 'this node can not be trusted as the member it was')
      const repaired = repair(config, cause, logger, stopAsked.signal).catch((problem: unknown) => {
        if (!stopAsked.signal.aborted) throw problem === cause ? error : cannotStart(config, problem)
      })
      await Promise.race([repaired, asked])
      if (!stopAsked.signal.aborted) continue
      // What it looked at lies among the temporary files.
      await Promise.race([repaired, sleep(CLOSE_MS, undefined, { ref: false })])
      return 0
    }
  }
}

/** Rejects with a `CliError` whose cause is why the node could not start, or why it stopped itself. */
async function runUntil(asked: Promise<void>, config: NodeConfig, logger: Logger): Promise<void> {
  let onFatal!: (error: Error) => void
  const fatal = new Promise<never>((_, reject) => {
    onFatal = (error) => reject(stoppedItself(config, error))
  })
  const starting = startNode(config, { logger, onFatal }).catch((error: unknown) => {
    throw cannotStart(config, error)
  })
  const over = new AbortController()
  try {
    const node = await Promise.race([starting, fatal])
    process.stdout.write(`${readyLine(config, node.clientAddress)}\n`)
    const ends = [asked, fatal, watchFencedOff(config, node, logger, over.signal).then(() => asked)]
    if (lifeOf(node.member) > 0) ends.push(rejoin(config, node, logger, over.signal).then(() => asked))
    await Promise.race(ends)
  } catch (error) {
    await Promise.race([close(starting, logger), sleep(CLOSE_MS)])
    throw error
  } finally {
    over.abort()
  }
  const node = await starting
  await Promise.race([node.stop(), fatal])
}

/**
 * Also a node that stops itself before it is ready: its files are not to be touched while it goes on. It may be broken: what
 * that leads to is of no interest any more.
 */
async function close(starting: Promise<RunningNode>, logger: Logger): Promise<void> {
  const node = await starting.catch(() => undefined)
  await node?.stop().catch((err: unknown) => logger.warn({ err }, 'could not be closed in order'))
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
  const remedy =
    'What it acknowledged is on a majority of the disks; see its log for the cause before you start it again.'
  return new CliError(EXIT.fatal, `Node ${id} stopped itself: ${messageOf(error)}. ${remedy}`, {
    cause: error,
  })
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
  return new CliError(EXIT.fatal, `Node ${id} can't start: ${messageOf(error)}. ${remedy}`, { cause: error })
}

/** Codes and messages down the chain of causes: libraries wrap what matters. */
function withCauses(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : ''
  return `${code} ${error.message} ${withCauses(error.cause ?? '')}`
}
