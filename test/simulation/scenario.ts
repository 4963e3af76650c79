import { RAFT_DEFAULTS } from '../../raft/index.js'
import { PROPOSAL_LIMITS, type ProposalLimits } from '../../src/proposals/proposals.js'
import type { NodeTuning } from './node.js'
import type { Weather } from './paths.js'
import type { WildNetwork } from './peer-link.js'
import type { Random } from './random.js'
import type { SyncMs } from './site.js'

/** What kind of cluster, clients and surroundings a seed has, while no fault changes them. */
export interface Scenario {
  readonly nodes: number
  readonly clients: number
  /** Programs that use unary calls instead of our client. */
  readonly callers: number
  /** Of one more client, which asks for far more at a time than the others do. */
  readonly floodWorkers: number
  /** Programs that use everything, by streams of their own. */
  readonly participants: number
  /** Programs that watch a name. */
  readonly observers: number
  /** Who change the members, each as it sees fit. */
  readonly operators: number
  /** Between two changes of one operator, on average, in ms. */
  readonly changePauseMs: number
  readonly names: readonly string[]
  readonly workload: Workload
  readonly weather: Weather
  readonly wild: WildNetwork | undefined
  /** See `ProcessOptions`. */
  readonly busyness: number
  readonly syncMs: SyncMs
  readonly tuning: NodeTuning
}

export interface Workload {
  /** How long a lock is usually held, and the pause between two, in ms. */
  readonly holdMs: number
  readonly pauseMs: number
  /** Of each client, at a time. */
  readonly workers: number
}

/** So small that a few clients fill them, or as they are. */
const SMALL_LIMITS: ProposalLimits = { heldBytesMax: 64 * 1024, windowBytes: 1024 }

/** What many clients hold at once is more than half of it; what is left when they have ended is far less. */
const SMALL_HEAP_BYTES = 120_000

const NAMES = ['alpha', 'beta', 'gamma', 'delta']
/** Of a good disk, a spinning one, a shared one. */
const DISKS: readonly SyncMs[] = [
  { min: 0.1, max: 3 },
  { min: 0.1, max: 3 },
  { min: 1, max: 20 },
  { min: 5, max: 60 },
]

/** `company`: chance of who else is there; however many they are, all others do as they would without them. */
export function drawScenario(random: Random, company: Random): Scenario {
  const scenario = {
    nodes: random.pick([1, 3, 3, 3, 3, 5]),
    clients: random.integer(2, 5),
    callers: random.integer(0, 2),
    operators: random.pick([0, 0, 1, 1, 2]),
    changePauseMs: random.pick([200, 1_000, 3_000]),
    names: NAMES.slice(0, random.integer(1, NAMES.length)),
    workload: {
      holdMs: random.pick([5, 50, 300, 1_500]),
      pauseMs: random.pick([5, 50, 300]),
      workers: random.integer(1, 4),
    },
    weather: { latencyMs: random.pick([0.3, 1, 5]), slowShare: random.pick([0, 0.01, 0.05]) },
    wild: random.chance(0.4) ? { lost: random.pick([0, 0.02]), doubled: 0.02, belated: 0.002 } : undefined,
    busyness: random.pick([0, 0.001, 0.02]),
    syncMs: random.pick(DISKS),
    tuning: drawTuning(random),
    participants: company.pick([0, 1, 1, 2]),
    observers: company.integer(0, 2),
    floodWorkers: company.pick([0, 0, 0, 30]),
  }
  const proposals = company.pick([SMALL_LIMITS, PROPOSAL_LIMITS])
  const heapBytes = company.pick([SMALL_HEAP_BYTES, Number.POSITIVE_INFINITY])
  return { ...scenario, tuning: { ...scenario.tuning, proposals, heapBytes } }
}

/** Usual timing, or unusual; limits so small that they are reached, or as they are. */
function drawTuning(random: Random): Omit<NodeTuning, 'proposals' | 'heapBytes'> {
  const tickMs = random.pick([5, 10, 20])
  const heartbeatTicks = random.integer(2, 6)
  const electionTicks = Math.max(3 * heartbeatTicks, Math.ceil(random.between(150, 600) / tickMs))
  const appendBytesMax = random.pick([200, 2_000, RAFT_DEFAULTS.appendBytesMax])
  const inflightBytesMax = random.chance(0.5) ? appendBytesMax : RAFT_DEFAULTS.inflightBytesMax
  const pendingReadsMax = random.pick([2, RAFT_DEFAULTS.pendingReadsMax])
  const checkpointBytes = random.pick([50, 100, 200, 1_000])
  // By commands alone: a turn takes no time here.
  const commands = random.pick([1, 1, 3, 10, 2_048])
  const disconnectTicks = random.pick([1, RAFT_DEFAULTS.disconnectTicks])
  return {
    tickMs,
    heartbeatTicks,
    electionTicks,
    disconnectTicks,
    appendBytesMax,
    inflightBytesMax,
    pendingReadsMax,
    checkpointBytes,
    applyBudget: { ms: 10, commands },
  }
}
