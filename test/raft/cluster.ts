import type { ReadVerdict, Write } from '../../raft/index.js'
import {
  ClusterWitness,
  checkLog,
  type Entry,
  type HardState,
  type Input,
  type Message,
  type NodeId,
  type Outgoing,
  type Output,
  RAFT_DEFAULTS,
  type RaftConfig,
  RaftNode,
} from '../../raft/index.js'

export interface InFlight extends Outgoing {
  readonly from: NodeId
}

/** Sent once this write is on disk. */
interface Held {
  readonly write: number
  readonly outgoing: Outgoing
}

/** What survives a crash: writes are done in order, each entirely or not at all. */
export class MemoryDisk {
  hardState: HardState = { term: 0, vote: 0 }
  readonly entries: Entry[] = []

  perform(write: Write): void {
    if (write.hardState !== undefined) this.hardState = write.hardState
    if (write.truncateFrom !== undefined) this.entries.length = write.truncateFrom - 1
    this.entries.push(...write.entries)
  }
}

/** A node's place: its process, which may be down, and what the driver keeps for it. */
export class Member {
  readonly disk = new MemoryDisk()
  node: RaftNode | undefined
  pending: Write[] = []
  held: Held[] = []
  newestWrite = 0
  /** Committed since the process began. */
  committed: Entry[] = []
  reads: ReadVerdict[] = []

  constructor(readonly id: NodeId) {}
}

export const SMALL: Omit<RaftConfig, 'id' | 'voters'> = {
  ...RAFT_DEFAULTS,
  heartbeatTicks: 2,
  electionTicks: 10,
  disconnectTicks: 3,
}

/**
 * Real nodes over a network that is a list, and disks that are arrays. Nothing moves by itself: the test ticks,
 * delivers, writes and crashes. Invariants are checked after every step, over the life of the cluster.
 */
export class Cluster {
  readonly witness = new ClusterWitness()
  readonly members = new Map<NodeId, Member>()
  network: InFlight[] = []

  constructor(
    readonly ids: readonly NodeId[],
    readonly randomOf: (id: NodeId) => () => number,
    readonly settings: Omit<RaftConfig, 'id' | 'voters'> = SMALL,
  ) {
    for (const id of ids) {
      this.members.set(id, new Member(id))
      this.start(id)
    }
  }

  member(id: NodeId): Member {
    return this.members.get(id)!
  }

  get running(): Member[] {
    return [...this.members.values()].filter((member) => member.node !== undefined)
  }

  get leader(): NodeId | undefined {
    const leaders = this.running
      .map((member) => member.node!.status())
      .filter((status) => status.role === 'leader')
    return leaders.sort((a, b) => b.term - a.term)[0]?.id
  }

  start(id: NodeId): void {
    const member = this.member(id)
    const { hardState, entries } = member.disk
    const config = { ...this.settings, id, voters: this.ids }
    member.node = new RaftNode(config, { hardState, entries: [...entries] }, this.randomOf(id))
  }

  /** Power cut: what wasn't on disk is gone, and what waited for the disk is never sent. */
  crash(id: NodeId): void {
    const member = this.member(id)
    Object.assign(member, {
      node: undefined,
      pending: [],
      held: [],
      newestWrite: 0,
      committed: [],
      reads: [],
    })
  }

  /** One step; its effects are put where the test can reach them. `sendMax`: a crash cuts the sending short. */
  step(id: NodeId, inputs: readonly Input[], sendMax = Number.POSITIVE_INFINITY): Output {
    const member = this.member(id)
    const output = member.node!.step(inputs)
    const view = member.node!.view()
    checkLog(view)
    this.witness.observe(view, output)
    if (output.write !== undefined) {
      member.pending.push(output.write)
      member.newestWrite = output.write.id
    }
    member.held.push(...output.sendAfterWrite.map((outgoing) => ({ write: member.newestWrite, outgoing })))
    member.committed.push(...output.committed)
    member.reads.push(...output.reads)
    this.#transmit(id, output.send.slice(0, sendMax))
    this.#release(member)
    return output
  }

  deliver(message: InFlight): void {
    if (this.member(message.to).node === undefined) return
    this.step(message.to, [{ kind: 'message', from: message.from, message: message.message as Message }])
  }

  /** The oldest pending write reaches the disk; `tell` is false when the node dies before it hears of it. */
  write(id: NodeId, tell = true): void {
    const member = this.member(id)
    const write = member.pending.shift()
    if (write === undefined) return
    member.disk.perform(write)
    if (!tell) return
    this.step(id, [{ kind: 'written', write: write.id }])
  }

  #transmit(from: NodeId, outgoing: readonly Outgoing[]): void {
    for (const { to, message } of outgoing) this.network.push({ from, to, message })
  }

  #release(member: Member): void {
    const oldestPending = member.pending[0]?.id ?? Number.POSITIVE_INFINITY
    const ready = member.held.filter((held) => held.write < oldestPending)
    member.held = member.held.filter((held) => held.write >= oldestPending)
    this.#transmit(
      member.id,
      ready.map((held) => held.outgoing),
    )
  }
}

/** mulberry32: small, seeded, good enough to choose faults. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
