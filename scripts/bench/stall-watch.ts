import { openSync, readSync } from 'node:fs'
import {
  constants,
  type NodeGCPerformanceDetail,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks'

/**
 * Loaded before a node (`node --import`), tells on its stderr when its event loop did not turn for a while, one line of
 * JSON each. A timer that is due again and again comes late by as long as the loop was blocked. How much of that time the
 * thread itself was at work is told apart: where everything runs on a few processors, others have them for most of it.
 *
 * It also tells of the garbage collector: of each pause, and of each beginning to mark the heap. From there to the next major
 * collection it marks in small steps, which V8 tells nobody of.
 */
const PERIOD_MS = 2
const TOLD_MS = 5
const NS_PER_MS = 1_000_000

const workedMs = openThreadClock()
let dueMs = performance.now()
let before = workedMs()

const watch = (): void => {
  const ms = performance.now() - dueMs
  const worked = workedMs()
  if (ms >= TOLD_MS) tell({ stall: { atMs: wallMs(dueMs), ms, ownMs: Math.min(ms, worked - before) } })
  before = worked
  dueMs = performance.now() + PERIOD_MS
  setTimeout(watch, PERIOD_MS).unref()
}

watch()

/** Missing in the types of Node.js. */
interface CollectorEntry extends PerformanceEntry {
  readonly detail: NodeGCPerformanceDetail
}

new PerformanceObserver((list) => {
  for (const { startTime, duration, detail } of list.getEntries() as CollectorEntry[]) {
    const { kind } = detail
    const isMarking = kind === constants.NODE_PERFORMANCE_GC_INCREMENTAL
    const isMajor = kind === constants.NODE_PERFORMANCE_GC_MAJOR
    tell({ collector: { atMs: wallMs(startTime), ms: duration, isMarking, isMajor } })
  }
}).observe({ entryTypes: ['gc'] })

function wallMs(ms: number): number {
  return performance.timeOrigin + ms
}

function tell(line: object): void {
  process.stderr.write(`${JSON.stringify(line)}\n`)
}

/** For how long this thread has had a processor so far, in ms. Linux tells; elsewhere all of the time counts. */
function openThreadClock(): () => number {
  const buffer = Buffer.alloc(128)
  try {
    // Nanoseconds on a processor, nanoseconds waiting for one, number of turns.
    const file = openSync('/proc/thread-self/schedstat', 'r')
    return () => {
      const bytes = readSync(file, buffer, 0, buffer.length, 0)
      return Number(buffer.toString('latin1', 0, bytes).split(' ')[0]) / NS_PER_MS
    }
  } catch {
    return () => performance.now()
  }
}
