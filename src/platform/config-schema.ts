import { resolve } from 'node:path'
import { z } from 'zod'
import { isWildcard, parseAddress } from './address.js'
import { NUMBERS } from './member-id.js'

/** Every message ends in its remedy; the place is put before it by `config.ts`. */
const expect = (form: string) => ({
  error: ({ input }: { input?: unknown }) =>
    `${input === undefined || input === null ? 'is missing' : `is ${JSON.stringify(input)}`}; write ${form}`,
})

/** An object that has these keys and no others. */
const section = <Shape extends z.ZodRawShape>(shape: Shape, form: string) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `is not a key that belongs here; remove it, or correct it to one of: ${Object.keys(shape).join(', ')}`
        : expect(form).error(issue),
  })

const address = (example: string) => {
  const form = expect(`host:port, for example ${example}`)
  return z
    .string(form)
    .refine((text) => parseAddress(text) !== undefined, form)
    .refine((text) => !isAnywhere(text), {
      error: ({ input }) =>
        `is "${input}", which nobody can connect to from elsewhere; write the name or address under which this machine is reached`,
    })
}

const isAnywhere = (text: string): boolean => {
  const parsed = parseAddress(text)
  return parsed !== undefined && isWildcard(parsed)
}

const CLUSTER_ID = expect('1 to 64 letters, digits, ".", "_" or "-", for example: orders-eu')
const NODE_ID = expect('a whole number from 1 to 999 that no other node has')
const DATA = expect('a directory of this node alone, for example /var/lib/lockkeeper/1')
const TICK_MS = expect('milliseconds from 1 to 100 (10 is the default)')
const TICKS = expect('a whole number of ticks, 1 or more')
const CHECKPOINT_MIB = expect('a whole number of MiB from 1 to 16 (2 is the default)')

const node = section(
  {
    id: z
      .int(NODE_ID)
      .min(1, NODE_ID)
      .max(NUMBERS - 1, NODE_ID),
    peer: address('10.0.0.1:7201'),
    client: address('10.0.0.1:7101'),
    data: z.string(DATA).min(1, DATA),
  },
  'id, peer, client and data of a node',
)

/** The ticks are those of `RAFT_DEFAULTS` (raft/config.ts); a test holds them together. */
export const DEFAULT_TIMING = { tickMs: 10, heartbeatTicks: 6, electionTicks: 60 } as const

const timing = section(
  {
    tickMs: z.int(TICK_MS).min(1, TICK_MS).max(100, TICK_MS).default(DEFAULT_TIMING.tickMs),
    heartbeatTicks: z.int(TICKS).min(1, TICKS).default(DEFAULT_TIMING.heartbeatTicks),
    electionTicks: z.int(TICKS).min(1, TICKS).default(DEFAULT_TIMING.electionTicks),
  },
  'any of tickMs, heartbeatTicks, electionTicks, or leave it out',
)

/** At 20,000 cycles a second about one checkpoint a second. So small because all that one writes is in one batch of LevelDB's. */
export const DEFAULT_STORAGE = { checkpointMiB: 2 } as const

const storage = section(
  {
    checkpointMiB: z
      .int(CHECKPOINT_MIB)
      .min(1, CHECKPOINT_MIB)
      .max(16, CHECKPOINT_MIB)
      .default(DEFAULT_STORAGE.checkpointMiB),
  },
  'checkpointMiB, or leave it out',
)

type File = z.infer<typeof file>
const file = section(
  {
    cluster: section(
      { id: z.string(CLUSTER_ID).regex(/^[\w.-]{1,64}$/, CLUSTER_ID) },
      'a section with the key id',
    ),
    nodes: z.array(node, expect('a list with an entry for each node')),
    timing: timing.prefault({}),
    storage: storage.prefault({}),
  },
  'the sections cluster and nodes, as in cluster-configs/three.yaml',
)

type Report = (path: PropertyKey[], text: string) => void

export const clusterSchema = file.superRefine((config, context) => {
  const report: Report = (path, message) => context.addIssue({ code: 'custom', path, message })
  checkDistinct(config, report)
  checkTiming(config, report)
})

export type Member = Readonly<z.infer<typeof node>>
export type Timing = Readonly<z.infer<typeof timing>>
export type Storage = Readonly<z.infer<typeof storage>>

const SIZES = [1, 3, 5, 7]

/**
 * What is wrong with so many nodes for a new cluster; undefined if nothing is. An even one survives no more failures than one
 * node fewer, and stands still when it is cut in halves.
 */
export function sizeProblem(count: number): string | undefined {
  if (SIZES.includes(count)) return undefined
  const why =
    count % 2 === 0 ? 'an even number survives no more failures than one fewer' : 'too many agree slowly'
  return `has ${count} entries (${why}); list 1 node to try things, 3 to survive one failure, 5 for two, 7 for three`
}

function checkDistinct({ nodes }: File, report: Report): void {
  const firstPlaces = new Map<string, string>()
  const claim = (identity: string, index: number, key: keyof Member, remedy: string): void => {
    const place = `nodes[${index}].${key}`
    const first = firstPlaces.get(identity)
    if (first === undefined) firstPlaces.set(identity, place)
    else
      report(
        ['nodes', index, key],
        `is ${JSON.stringify(nodes[index]![key])}, the same as ${first}; ${remedy}`,
      )
  }
  nodes.forEach(({ id, peer, client, data }, index) => {
    claim(`id ${id}`, index, 'id', 'give every node its own number')
    claim(`address ${peer}`, index, 'peer', 'give each address its own port')
    claim(`address ${client}`, index, 'client', 'give each address its own port')
    // Different machines may well use the same path.
    claim(
      `data ${parseAddress(peer)?.host} ${resolve(data)}`,
      index,
      'data',
      'give each node on this host its own directory',
    )
  })
}

/** With less room, one late heartbeat would start an election; Raft's own check (raft/config.ts) asks for the same. */
function checkTiming({ timing: { heartbeatTicks, electionTicks } }: File, report: Report): void {
  if (electionTicks > 2 * heartbeatTicks) return
  report(
    ['timing', 'electionTicks'],
    `is ${electionTicks}, not more than twice heartbeatTicks (${heartbeatTicks}); raise it, ten times is usual`,
  )
}
