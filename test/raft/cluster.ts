import assert from 'node:assert/strict'
import type { LogIndex, LogStart, ReadVerdict, Write } from '../../raft/index.js'
import {
  ClusterWitness,
  checkLog,
  type Entry,
  type HardState,
  type Input,
  type Message,
  NO_MEMBERS,
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

/** A machine that remembers all that was ever applied to it, and where a log goes on. */
export interface Checkpoint {
  readonly start: LogStart
  readonly applied: readonly Entry[]
}

/** A checkpoint on its way to a follower. */
export interface Snapshot {
  readonly from: NodeId
  readonly to: NodeId
  readonly checkpoint: Checkpoint
}

/** What survives a crash: changes are made in order, each entirely or not at all. */
export class MemoryDisk {
  hardState: HardState = { term: 0, vote: 0 }
  start: LogStart
  checkpoint: Checkpoint
  entries: Entry[] = []

  constructor(start: LogStart) {
    this.start = start
    this.checkpoint = { start, applied: [] }
  }

  perform(write: Write): void {
    if (write.hardState !== undefined) this.hardState = write.hardState
    if (write.truncateFrom !== undefined) this.entries.length = write.truncateFrom - this.start.index - 1
    this.entries.push(...write.entries)
    assert.equal(this.entries.at(-1)?.index ?? this.start.index, this.start.index + this.entries.length)
  }

  compact(start: LogStart): void {
    this.entries = this.entries.filter((entry) => entry.index > start.index)
    this.start = start
  }

  install(checkpoint: Checkpoint): void {
    this.checkpoint = checkpoint
    this.start = checkpoint.start
    this.entries = []
  }
}

/** A node's place: its process, which may be down, and what the driver keeps for it. */
export class Member {
  readonly disk: MemoryDisk
  node: RaftNode | undefined
  pending: Write[] = []
  held: Held[] = []
  newestWrite = 0
  /** Applied to this node's machine, from the beginning of the log on. */
  committed: Entry[] = []
  reads: ReadVerdict[] = []

  constructor(
    readonly id: NodeId,
    start: LogStart,
  ) {
    this.disk = new MemoryDisk(start)
  }
}

export const SMALL: Omit<RaftConfig, 'id'> = {
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
  /** One who may say anything whatever. It can lead others to terms from which they are reported themselves, for a while. */
  faulty: NodeId | undefined
  snapshots: Snapshot[] = []

  constructor(
    readonly ids: readonly NodeId[],
    readonly randomOf: (id: NodeId) => () => number,
    readonly settings: Omit<RaftConfig, 'id'> = SMALL,
    /** The first voters; the others are up and wait to be told. */
    voters = ids,
  ) {
    const first = { voters, outgoing: [], learners: [] }
    for (const id of ids) {
      const config = voters.includes(id) ? first : NO_MEMBERS
      this.members.set(id, new Member(id, { index: 0, term: 0, config }))
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
    const { hardState, start, entries, checkpoint } = member.disk
    const recovered = { hardState, start, entries: [...entries], appliedIndex: checkpoint.start.index }
    member.node = new RaftNode({ ...this.settings, id }, recovered, this.randomOf(id))
    member.committed = [...checkpoint.applied]
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
    if (this.faulty === undefined)
      assert.deepEqual(output.violations, [], 'nobody who keeps to the protocol is accused of breaking it')
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
    for (const to of output.snapshots)
      this.snapshots.push({ from: id, to, checkpoint: member.disk.checkpoint })
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

  /** The machine's state reaches the disk, if the log up to there has. */
  checkpoint(id: NodeId): void {
    const { node, disk, committed } = this.member(id)
    if (node!.view().persistedIndex < committed.length) return
    disk.checkpoint = { start: node!.startAt(committed.length), applied: [...committed] }
  }

  /** Forgets the log up to `index`, which the checkpoint on disk has; `tell` is false when the node dies over it. */
  compact(id: NodeId, index: LogIndex, tell = true): void {
    const { node, disk } = this.member(id)
    if (index <= disk.start.index || index > disk.checkpoint.start.index) return
    disk.compact(node!.startAt(index))
    if (tell) this.step(id, [{ kind: 'compact', index }])
  }

  /** A checkpoint has arrived. What waits for the disk is written first; then it is put in place, if still wanted. */
  install({ to, checkpoint }: Snapshot, tell = true): boolean {
    const member = this.member(to)
    while (member.pending.length > 0) this.write(to)
    if (member.node?.wants(checkpoint.start) !== true) return false
    member.disk.install(checkpoint)
    member.committed = [...checkpoint.applied]
    if (tell) this.step(to, [{ kind: 'restored', start: checkpoint.start }])
    return true
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
