import type { IgnoredRequest, Request } from '../../raft/index.js'
import type { Machine } from '../machine/machine.js'
import { ClusterClock } from './cluster-clock.js'
import { Inbox } from './inbox.js'
import { encodePayload } from './payload.js'
import type { Chunk, Clock } from './ports.js'

export interface ProposerParts {
  /** As of now. */
  readonly machine: () => Machine
  readonly clock: Clock
  readonly tickMs: number
}

/**
 * Cluster time that a change of leader may lose, in ms, beside 1 % of what is left until the next deadline: the rest of
 * P7's 250 ms is for the tick and the commit.
 */
const UNTOLD_MS_MAX = 200

/** On a leader: makes entries of the chunks that have gathered, and stamps each with the cluster's time. */
export class Proposer {
  readonly #parts: ProposerParts
  readonly #inbox = new Inbox()
  #clusterClock: ClusterClock | undefined
  /** Of each entry proposed, in case that Raft ignores it. */
  readonly #proposed = new WeakMap<Request, readonly Chunk[]>()
  /** Those of each entry that Raft has ignored, oldest first. */
  #ignored: (readonly Chunk[])[] = []
  #stampedAt = 0

  constructor(parts: ProposerParts) {
    this.#parts = parts
  }

  /** False if the chunk was dropped. */
  add(chunk: Chunk): boolean {
    return this.#inbox.push(chunk)
  }

  /**
   * The entries to propose now. To be called every turn while this node leads and serves: time passes also
   * while nothing may be proposed. What has gathered does not wait for a machine that is behind what is committed, so that
   * renewals come to the log before deadlines; but such a machine does not know which deadlines have been renewed.
   */
  next(mayPropose: boolean, isMachineBehind: boolean): Request[] {
    const { clock, tickMs } = this.#parts
    const machine = this.#parts.machine()
    // By the time a leader serves, it has applied all of its log up to its term's no-op: machine.at is the last `at`.
    this.#clusterClock ??= new ClusterClock(machine.at, clock.nowMs(), tickMs)
    const at = Math.max(machine.at, this.#clusterClock.turn(clock.nowMs()))
    if (!mayPropose) return []
    const gathered = [...this.#ignored, ...(this.#inbox.isEmpty ? [] : this.#inbox.takeEntries())]
    this.#ignored = []
    if (gathered.length > 0) return gathered.map((chunks) => this.#entry(at, chunks))
    return !isMachineBehind && this.#timeDue(at) ? [this.#entry(at, [])] : []
  }

  /** What was in these is proposed again before all that came later; and the time that they told was not told. */
  ignored(ignored: readonly IgnoredRequest[]): void {
    const proposed = ignored
      .map(({ request }) => this.#proposed.get(request))
      .filter((known) => known !== undefined)
    if (proposed.length === 0) return
    this.#ignored = [...proposed.filter((chunks) => chunks.length > 0), ...this.#ignored]
    this.#stampedAt = 0
  }

  /** This node does not lead any more. What had gathered is repeated by its origins. */
  clear(): void {
    this.#clusterClock = undefined
    this.#stampedAt = 0
    this.#ignored = []
    this.#inbox.clear()
  }

  /**
   * The log is to be told the time: a deadline has passed, or so much of the way to it that the next leader, who goes on
   * from the last `at` in the log, would make it too late (P7). Not if an entry under way finds the deadline. Or an entry has left work to the next.
   */
  #timeDue(at: number): boolean {
    const machine = this.#parts.machine()
    // One entry after the other: the next goes on where the machine stands after this one.
    if (machine.hasWorkLeft) return this.#stampedAt <= machine.at && at > machine.at
    const deadline = machine.nextDeadline()
    const told = Math.max(machine.at, this.#stampedAt)
    if (deadline === undefined || told >= deadline) return false
    return at >= Math.min(deadline, told + UNTOLD_MS_MAX + (deadline - told) / 100)
  }

  #entry(at: number, chunks: readonly Chunk[]): Request {
    this.#stampedAt = at
    const request: Request = { kind: 'propose', payload: encodePayload(at, chunks) }
    this.#proposed.set(request, chunks)
    return request
  }
}
