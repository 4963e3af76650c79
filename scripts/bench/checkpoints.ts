import type { LocalCluster } from '../cluster/local-cluster.js'
import type { NodeProcess } from '../cluster/node-process.js'
import type { Done } from './load.js'

/** Makes a node tell of its stalls: see there. */
const STALL_WATCH = new URL('./stall-watch.js', import.meta.url).href

/** In ms of the wall clock. */
interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** An event loop was blocked. */
interface Stall extends Span {
  /** In which the node itself was at work. */
  readonly ownMs: number
}

/** What a node wrote to its log in a while. */
interface Told {
  readonly node: NodeProcess
  readonly checkpoints: readonly (Span & { readonly changes: number })[]
  readonly stalls: readonly Stall[]
  readonly collector: Collector
}

/** The garbage collector of a node. */
interface Collector {
  readonly pauses: readonly Span[]
  /** From the beginning of its marking to the pause that ends it: steps of it are in the turns of the event loop. */
  readonly markings: readonly Span[]
}

/** Starts the nodes of a cluster that logs at level 'debug', so that they tell what `checkpointTables` reads. */
export async function startWatched(cluster: LocalCluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.start({ NODE_OPTIONS: `--import ${STALL_WATCH}` })))
}

/** What checkpoints did to the event loops of the nodes, and to the cycles, of which a second has so many. */
export async function checkpointTables(cluster: LocalCluster, done: readonly Done[]) {
  const leader = await cluster.leader()
  const span = { fromMs: done[0]!.endMs, toMs: done.at(-1)!.endMs }
  const told = cluster.nodes.map((node) => toldBy(node, span))
  const all = union(told.flatMap(({ checkpoints }) => checkpoints).map((each) => clipped(each, span)))
  return {
    nodes: told.map((each) => nodeRow(each, each.node === leader)),
    cycles: cyclesRow(done, span, all),
  }
}

/**
 * `blocked`: by work of its own; `late`: with the time in which others had the processor. Of the turn that was blocked the
 * most: how long the garbage collector paused it (by the wall), and whether it was marking in steps then.
 */
function nodeRow({ node, checkpoints, stalls, collector }: Told, leads: boolean) {
  const during = stalls.filter((stall) => checkpoints.some((checkpoint) => overlap(stall, checkpoint)))
  const outside = stalls.filter((stall) => !during.includes(stall))
  const worst = [...stalls].sort((a, b) => b.ownMs - a.ownMs)[0]
  return {
    node: `${node.id}${leads ? ' (leader)' : ''}`,
    checkpoints: checkpoints.length,
    recordsMax: greatest(checkpoints.map(({ changes }) => changes)),
    checkpointMsMax: greatest(checkpoints.map(length)),
    blockedMsMaxDuring: greatest(during.map(({ ownMs }) => ownMs)),
    blockedMsMaxOutside: greatest(outside.map(({ ownMs }) => ownMs)),
    lateMsMaxDuring: greatest(during.map(length)),
    lateMsMaxOutside: greatest(outside.map(length)),
    gcMsInMax: worst === undefined ? 0 : rounded(sum(collector.pauses.map((pause) => shared(pause, worst)))),
    markingInMax: worst !== undefined && collector.markings.some((marking) => overlap(marking, worst)),
  }
}

/** `during`: while any of the nodes writes one. */
function cyclesRow(done: readonly Done[], span: Span, checkpoints: readonly Span[]) {
  if (checkpoints.length === 0) throw new Error('no checkpoint was written in that time; measure for longer')
  const inside = done.filter(({ endMs }) =>
    checkpoints.some(({ fromMs, toMs }) => fromMs <= endMs && endMs <= toMs),
  )
  const duringMs = sum(checkpoints.map(length))
  const outsideMs = length(span) - duringMs
  const during = (inside.length / duringMs) * 1_000
  const outside = ((done.length - inside.length) / outsideMs) * 1_000
  return {
    secondsDuring: rounded(duringMs / 1_000),
    secondsOutside: rounded(outsideMs / 1_000),
    cyclesPerSecondDuring: Math.round(during),
    cyclesPerSecondOutside: Math.round(outside),
    ratio: Number((during / outside).toFixed(2)),
  }
}

function toldBy(node: NodeProcess, span: Span): Told {
  const checkpoints: (Span & { changes: number })[] = []
  const stalls: Stall[] = []
  const pauses: Span[] = []
  const markings: Span[] = []
  let markingFromMs: number | undefined
  for (const line of node.output().split('\n')) {
    if (!line.startsWith('{')) continue
    const { stall, collector, msg, time, ms, changes } = JSON.parse(line)
    if (stall !== undefined)
      stalls.push({ fromMs: stall.atMs, toMs: stall.atMs + stall.ms, ownMs: stall.ownMs })
    if (collector !== undefined) {
      const fromMs = collector.atMs
      pauses.push({ fromMs, toMs: fromMs + collector.ms })
      if (collector.isMarking) markingFromMs = fromMs
      if (collector.isMajor && markingFromMs !== undefined) {
        markings.push({ fromMs: markingFromMs, toMs: fromMs })
        markingFromMs = undefined
      }
    }
    if (msg !== 'checkpoint written') continue
    const toMs = Date.parse(time)
    checkpoints.push({ fromMs: toMs - ms, toMs, changes })
  }
  const isIn = (other: Span): boolean => overlap(other, span)
  const collector = { pauses, markings }
  return { node, checkpoints: checkpoints.filter(isIn), stalls: stalls.filter(isIn), collector }
}

function union(spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const span of [...spans].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1)
    if (last === undefined || last.toMs < span.fromMs) merged.push(span)
    else merged[merged.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, span.toMs) }
  }
  return merged
}

function clipped({ fromMs, toMs }: Span, span: Span): Span {
  return { fromMs: Math.max(fromMs, span.fromMs), toMs: Math.min(toMs, span.toMs) }
}

function overlap(a: Span, b: Span): boolean {
  return a.fromMs <= b.toMs && b.fromMs <= a.toMs
}

/** Milliseconds. */
function shared(a: Span, b: Span): number {
  return Math.max(0, Math.min(a.toMs, b.toMs) - Math.max(a.fromMs, b.fromMs))
}

function greatest(numbers: readonly number[]): number {
  return rounded(Math.max(0, ...numbers))
}

function length({ fromMs, toMs }: Span): number {
  return toMs - fromMs
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

function rounded(value: number): number {
  return Number(value.toFixed(1))
}
