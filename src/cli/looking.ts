import { GrpcConnector } from '../client/grpc-connector.js'
import { Reader } from '../client/reads.js'
import { Route } from '../client/route.js'
import { Watcher } from '../client/watcher.js'
import { systemClock } from '../platform/clock.js'
import { random } from '../platform/random.js'
import { onEndSignal } from './signals.js'

const PATIENCE_MS = 5_000

export interface Eyes {
  readonly reader: Reader
  readonly watcher: Watcher
}

/** Without a session: looking leaves no trace in the log. Rejects as the client does. */
export async function looking<T>(addresses: readonly string[], look: (eyes: Eyes) => Promise<T>): Promise<T> {
  const connector = new GrpcConnector()
  const ports = { clock: systemClock, random, connector }
  const route = new Route(addresses)
  const reader = new Reader(ports, route, PATIENCE_MS, () => undefined)
  const watcher = new Watcher(ports, route, PATIENCE_MS, () => undefined)
  try {
    return await look({ reader, watcher })
  } finally {
    watcher.close()
    connector.close()
  }
}

/** Until a signal says that it is enough. */
export async function untilSignal(watch: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const enough = new AbortController()
  const stopListening = onEndSignal(() => enough.abort())
  try {
    await watch(enough.signal)
  } catch (error) {
    if (!enough.signal.aborted) throw error
  } finally {
    stopListening()
  }
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
