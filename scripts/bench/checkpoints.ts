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

/** `blocked`: by work of its own; `late`: with the time in which others had the processor. */
function nodeRow({ node, checkpoints, stalls }: Told, leads: boolean) {
  const during = stalls.filter((stall) => checkpoints.some((checkpoint) => overlap(stall, checkpoint)))
  const outside = stalls.filter((stall) => !during.includes(stall))
  return {
    node: `${node.id}${leads ? ' (leader)' : ''}`,
    checkpoints: checkpoints.length,
    recordsMax: greatest(checkpoints.map(({ changes }) => changes)),
    checkpointMsMax: greatest(checkpoints.map(length)),
    blockedMsMaxDuring: greatest(during.map(({ ownMs }) => ownMs)),
    blockedMsMaxOutside: greatest(outside.map(({ ownMs }) => ownMs)),
    lateMsMaxDuring: greatest(during.map(length)),
    lateMsMaxOutside: greatest(outside.map(length)),
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
  for (const line of node.output().split('\n')) {
    if (!line.startsWith('{')) continue
    const { stall, msg, time, ms, changes } = JSON.parse(line)
    if (stall !== undefined)
      stalls.push({ fromMs: stall.atMs, toMs: stall.atMs + stall.ms, ownMs: stall.ownMs })
    if (msg !== 'checkpoint written') continue
    const toMs = Date.parse(time)
    checkpoints.push({ fromMs: toMs - ms, toMs, changes })
  }
  const isIn = (other: Span): boolean => overlap(other, span)
  return { node, checkpoints: checkpoints.filter(isIn), stalls: stalls.filter(isIn) }
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
