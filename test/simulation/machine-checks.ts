import type { LogIndex, NodeId } from '../../raft/index.js'
import { checkMachine } from '../../src/machine/inspection/invariants.js'
import type { Batch } from '../../src/machine/language/command.js'
import type { Machine } from '../../src/machine/machine.js'
import type { Claim, Line } from '../../src/machine/queues.js'
import { changeOf } from '../../src/machine/records/records.js'
import { MachineRestorer } from '../../src/replica/record-codec.js'
import { type MemoryCheckpoint, recordsOf } from '../suites/memory-records.js'
import type { History } from './history.js'

/** The machines of all nodes, compared: at one place in the log they are equal, however they came there. */
export class MachineChecks {
  readonly #history: History
  /** What the first node to apply an entry found in it, and what its machine's digest was then. */
  readonly #entries = new Map<LogIndex, { readonly batch: Batch; readonly digest: number }>()

  constructor(history: History) {
    this.#history = history
  }

  applied(node: NodeId, index: LogIndex, batch: Batch, { digest }: Machine): void {
    const known = this.#entries.get(index)
    if (known === undefined) this.#entries.set(index, { batch, digest })
    else if (known.digest !== digest)
      this.#history.broken('state machine safety: digests differ', { node, index, digest, known })
  }

  /** A machine was made of a checkpoint of `index`. */
  restored(node: NodeId, index: LogIndex, machine: Machine): void {
    const expected = this.#digestAt(index)
    const { digest } = machine
    if (digest !== expected)
      this.#history.broken('P8 durability: a checkpoint is not of its place in the log', {
        node,
        index,
        digest,
        expected,
      })
  }

  /** The checkpoint on a node's disk, and the log from there, come to the machine that the node has at `index`. */
  leadsTo(node: NodeId, checkpoint: MemoryCheckpoint, index: LogIndex, machine: Machine): void {
    const { start } = checkpoint
    const restorer = new MachineRestorer()
    restorer.take(recordsOf(checkpoint))
    const twin = restorer.finish()
    checkMachine(twin)
    this.restored(node, start.index, twin)
    for (let next = start.index + 1; next <= index; next++) {
      const batch = this.#entries.get(next)?.batch
      if (batch !== undefined) twin.apply(batch)
    }
    const [expected, found] = [describeMachine(machine), describeMachine(twin)]
    if (found !== expected)
      this.#history.broken('P8 durability: a checkpoint and the log after it are not the machine', {
        node,
        start,
        index,
        expected,
        found,
      })
  }

  /** Entries of Raft's own leave the machine as it was. */
  #digestAt(index: LogIndex): number {
    for (let at = index; at > 0; at--) {
      const entry = this.#entries.get(at)
      if (entry !== undefined) return entry.digest
    }
    return 0
  }
}

/** All of it that decides what it will do, in an order of its own. */
export function describeMachine(machine: Machine): string {
  const { at, digest, level, revision, sessions, claims, remains, interventions } = machine
  const lives = [...sessions.values()]
  const slots = lives.flatMap((session) => [...session.slots.values()])
  const things = [...lives, ...slots, ...claims.values(), ...remains.values()]
  const records = things.map((thing) => JSON.stringify(changeOf(thing))).sort()
  const lines = [...claims.queues.values()]
    .map(({ name, granted, waiting, members }) =>
      JSON.stringify([name, idsOf(granted), idsOf(waiting), members === undefined ? [] : idsOf(members)]),
    )
    .sort()
  const counters = [at, digest, level, revision, sessions.nextId, claims.nextId, claims.nextToken]
  return JSON.stringify([counters, records, lines, interventions.all])
}

function idsOf(line: Line): Claim['id'][] {
  const ids: Claim['id'][] = []
  for (let place = line.first; place !== undefined; place = place.next) ids.push(place.claim.id)
  return ids
}
