import { readFileSync } from 'node:fs'
import type { LocalCluster } from '../cluster/local-cluster.js'
import type { NodeProcess } from '../cluster/node-process.js'

/** Makes a node report its stalls: see there. */
const STALL_WATCH = new URL('../bench/stall-watch.js', import.meta.url).href
const SAMPLE_MS = 100
const KIB_PER_MIB = 1024

/** What an attack did to the nodes. */
export interface NodeFigures {
  readonly node: number
  readonly isRunning: boolean
  /** Of the node's own work in one turn of its event loop. */
  readonly longestTurnMs: number
  /** Beyond what it had when the attack began. */
  readonly memoryGrewMiB: number
  readonly memoryMaxMiB: number
}

/** Starts the nodes so that they can be watched; `main` is the program, of this build or of another one. */
export async function startWatched(
  cluster: LocalCluster,
  env: NodeJS.ProcessEnv,
  main: string | undefined,
): Promise<void> {
  const options = `${env.NODE_OPTIONS ?? ''} --import ${STALL_WATCH}`
  await Promise.all(cluster.nodes.map((node) => node.start({ ...env, NODE_OPTIONS: options }, main)))
}

/** Watches the nodes of a cluster from now on. */
export class NodeWatch {
  readonly #nodes: readonly { node: NodeProcess; from: number; firstMiB: number; maxMiB: number }[]
  readonly #timer: NodeJS.Timeout

  constructor(cluster: LocalCluster) {
    this.#nodes = cluster.nodes.map((node) => {
      const mib = residentMiB(node) ?? 0
      return { node, from: Buffer.byteLength(node.output()), firstMiB: mib, maxMiB: mib }
    })
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }

  stop(): NodeFigures[] {
    clearInterval(this.#timer)
    return this.#nodes.map(({ node, from, firstMiB, maxMiB }) => ({
      node: node.id,
      isRunning: node.isRunning,
      longestTurnMs: longestTurnMs(node, from),
      memoryGrewMiB: Math.round(maxMiB - firstMiB),
      memoryMaxMiB: Math.round(maxMiB),
    }))
  }

  /** How often a node began to lead since this watch began. */
  elections(): number {
    return this.#nodes.reduce((sum, { node, from }) => {
      const terms = new Set<number>()
      for (const { msg, role, term } of linesOf(node, from)) {
        if (msg === 'status' && role === 'leader') terms.add(term)
      }
      return sum + terms.size
    }, 0)
  }

  #sample(): void {
    for (const each of this.#nodes) each.maxMiB = Math.max(each.maxMiB, residentMiB(each.node) ?? 0)
  }
}

/** Since its output was this long, of its own work. */
export function longestTurnMs(node: NodeProcess, from: number): number {
  let longest = 0
  for (const { stall } of linesOf(node, from)) longest = Math.max(longest, stall?.ownMs ?? 0)
  return Number(longest.toFixed(1))
}

/** What a node has logged since its output was this long. Other lines than JSON are passed over. */
function* linesOf(node: NodeProcess, from: number) {
  for (const line of node.output(from).split('\n')) if (line.startsWith('{')) yield JSON.parse(line)
}

/** Linux tells; undefined elsewhere, or if the node has ended. */
function residentMiB({ pid }: NodeProcess): number | undefined {
  try {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return kib === undefined ? undefined : Number(kib) / KIB_PER_MIB
  } catch {
    return undefined
  }
}
