/**
 * A well-behaved client, in a process of its own so that only the nodes can slow it down: takes and releases a lock of its own
 * twenty times a second, over a session that it renews. Arguments: the addresses, the node to ask first at their head. It
 * measures from the message 'begin' to the message 'end', and then sends what it saw.
 */
import { connect, type Keeper } from '../../src/client/index.js'
import { quantile } from '../bench/quantile.js'

export interface BystanderReport {
  readonly cycles: number
  /** Of one acquire, or one release. */
  readonly p99Ms: number
  readonly maxMs: number
  readonly sessionsLost: number
  readonly failures: readonly string[]
}

const TTL_MS = 3_000
const PAUSE_MS = 50
const FAILURES_MAX = 5

const addresses = process.argv[2]!
const name = `bystander/${process.pid}`
const tookMs: number[] = []
const failures: string[] = []
let sessionsLost = 0
let isMeasuring = false
let isOver = false

process.on('message', (message) => {
  if (message === 'begin') isMeasuring = true
  else isOver = true
})
const keeper = await open()
process.send?.('ready')
while (!isOver) {
  await cycle().catch((error: unknown) => {
    if (isMeasuring) failures.push(String(error))
  })
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
await keeper.close().catch(() => undefined)
const ascending = tookMs.sort((a, b) => a - b)
const report: BystanderReport = {
  cycles: Math.floor(ascending.length / 2),
  p99Ms: ascending.length === 0 ? Number.POSITIVE_INFINITY : quantile(ascending, 0.99),
  maxMs: ascending.at(-1) ?? Number.POSITIVE_INFINITY,
  sessionsLost,
  failures: failures.slice(0, FAILURES_MAX),
}
process.send?.(report)
process.disconnect()

async function open(): Promise<Keeper> {
  const opened = await connect(addresses, { ttlMs: TTL_MS, label: 'bystander', connectTimeoutMs: 30_000 })
  opened.onSessionLost(() => {
    if (isMeasuring) sessionsLost++
  })
  return opened
}

async function cycle(): Promise<void> {
  const lock = await timed(() => keeper.lock(name))
  const outcome = await timed(() => lock.release())
  if (outcome === 'lost') throw new Error('the lock was lost')
}

async function timed<T>(ask: () => Promise<T>): Promise<T> {
  const askedMs = performance.now()
  try {
    return await ask()
  } finally {
    if (isMeasuring) tookMs.push(performance.now() - askedMs)
  }
}
