import {
  ClusterWitness,
  checkLog,
  isJoint,
  isVoter,
  type LogIndex,
  membersOf,
  type NodeId,
  type NodeView,
  type Output,
  type Status,
} from '../../raft/index.js'
import { checkMachine } from '../../src/machine/inspection/invariants.js'
import type { Batch } from '../../src/machine/language/command.js'
import type { Machine } from '../../src/machine/machine.js'
import { type Claim, DisownedError } from '../../src/membership/fencing.js'
import { checkBelonging } from '../../src/node-disk/belonging.js'
import type { PeerItem } from '../../src/replica/ports.js'
import type { Hello } from '../../src/transport/hello.js'
import type { DiskChange, MemoryDisk, MemoryDiskOptions } from '../suites/memory-disk.js'
import { addressOf, type ClientNetwork } from './client-network.js'
import {
  copyOf,
  type DiskCopy,
  type DiskLoss,
  emptyDisk,
  endOf,
  isHeardWrongly,
  knows,
  whoRemain,
} from './disk-loss.js'
import type { History } from './history.js'
import type { Applied } from './ledger.js'
import type { MachineChecks } from './machine-checks.js'
import { type Node, type NodeTuning, type NodeWitness, startNode } from './node.js'
import { hostOf } from './peer-link.js'
import type { PeerNetwork } from './peer-network.js'
import { type PeerStation, peerAddressOf } from './peer-station.js'
import { DRIFT_MAX, Process } from './process.js'
import { QuorumChecks } from './quorum-checks.js'
import type { Random } from './random.js'
import type { Effect, Fuse, Site, Stamp, SyncMs } from './site.js'
import type { World } from './world.js'

export interface ClusterParts {
  readonly world: World
  readonly random: Random
  readonly history: History
  readonly peers: PeerNetwork
  readonly clients: ClientNetwork
  readonly tuning: NodeTuning
  readonly busyness: number
  /** Of every disk, while no fault slows it. */
  readonly syncMs: SyncMs
  readonly createDisk: (options: MemoryDiskOptions) => MemoryDisk
  readonly machines: MachineChecks
  readonly onApplied: (index: number, batch: Batch, applied: Applied) => void
}

const ROWS_PER_CHUNK = 8
/** The window behind a checkpoint, and what comes until the next is there. */
const KEPT_INTERVALS_MAX = 10
/** What a log grows by while a slow disk takes in a checkpoint. */
const SLOW_DISK_BYTES = 16_000

/** The nodes of a cluster through crashes and restarts, and those that come and go. */
export class Cluster implements NodeWitness {
  readonly raft = new ClusterWitness()
  readonly #founders: readonly NodeId[]
  readonly #quorums: QuorumChecks
  readonly #parts: ClusterParts
  readonly #sites = new Map<NodeId, Site>()
  /** Of the entry that says on which disk a node is. */
  readonly #registered = new Map<NodeId, LogIndex>()
  /** How many there have been. */
  #disks = 0
  /** By index, of the newest leader that put an entry there. */
  readonly #stamps = new Map<number, Stamp>()
  /** The newest in which a leader has served. */
  #termServed = 0
  readonly #awaitingChange: ((leader: NodeId) => void)[] = []
  elections = 0
  /** Snapshots that took the place of a log. */
  leaps = 0
  /** Of them, those of nodes without a vote. */
  learnersLeaps = 0
  crashesByFuse = 0
  checkpoints = 0
  rollbacks = 0
  emptied = 0

  constructor(size: number, parts: ClusterParts) {
    this.#parts = parts
    this.#founders = Array.from({ length: size }, (_, k) => k + 1)
    const diskOf = (id: NodeId): DiskCopy => {
      const { loss, disk } = this.#sites.get(id)!
      return loss?.before ?? disk
    }
    this.#quorums = new QuorumChecks(
      this.#founders,
      diskOf,
      (id) => this.#sites.get(id)!.loss !== undefined,
      parts.history,
    )
    for (const id of this.#founders) this.#sites.set(id, this.#build(id, false))
  }

  /** All that are there, running or not, members or not. */
  get ids(): NodeId[] {
    return [...this.#sites.values()].flatMap(({ id, gone }) => (gone ? [] : [id]))
  }

  /** Where clients may look for nodes. */
  get addresses(): string[] {
    return this.ids.map(addressOf)
  }

  get running(): Node[] {
    return [...this.#sites.values()].flatMap(({ node }) => (node === undefined ? [] : [node]))
  }

  /**
   * Those who are members by the leader's word, but for those who are gone; undefined while nobody leads, or they change, or
   * one of them is not running.
   */
  get members(): Node[] | undefined {
    const status = this.leader?.replica.status
    if (status === undefined || !status.configCommitted || isJoint(status.config)) return undefined
    const living = membersOf(status.config).filter((id) => !this.isGone(id))
    const nodes = this.running.filter(({ id }) => living.includes(id))
    return nodes.length === living.length ? nodes : undefined
  }

  node(id: NodeId): Node | undefined {
    return this.#sites.get(id)!.node
  }

  /** What its disk had is lost. */
  isGone(id: NodeId): boolean {
    const { gone, loss } = this.#sites.get(id)!
    return gone || loss !== undefined
  }

  isUp(id: NodeId): boolean {
    return this.#sites.get(id)!.process !== undefined
  }

  /** Who leads by the newest term, and may serve. */
  get leader(): Node | undefined {
    return this.#newest(({ serving }) => serving)
  }

  /** Who leads by the newest term, though it may have yet to learn what is committed. */
  get elected(): Node | undefined {
    return this.#newest(({ role }) => role === 'leader')
  }

  /** A new machine with an empty disk; its node is to join. */
  build(): NodeId {
    const id = this.#sites.size + 1
    this.#sites.set(id, this.#build(id, true))
    this.start(id)
    return id
  }

  /** The machine is no more, and its disk. */
  scrap(id: NodeId): void {
    this.#parts.history.note(hostOf(id), 'is scrapped')
    this.crash(id)
    this.#sites.get(id)!.gone = true
  }

  /** The number of the one that its machine has now. */
  diskOf(id: NodeId): number {
    return this.#sites.get(id)!.disk.facts.disk
  }

  /** As it would come out of a power cut at this moment. */
  copyDisk(id: NodeId): DiskCopy {
    return copyOf(this.#sites.get(id)!.disk)
  }

  /**
   * The node crashes, and starts with an earlier copy of its disk (fault 26). Returns false, and does nothing, unless all
   * other members run, and know better, and are its members, too.
   */
  rollBack(id: NodeId, copy: DiskCopy): boolean {
    const others = this.#whoRemain(id)
    const { configIndex = 0 } = this.leader?.replica.status ?? {}
    if (others === undefined || configIndex > endOf(copy)) return false
    const knownIndex = Math.min(...others.map((other) => this.node(other)?.kept.get(id) ?? 0))
    if (knownIndex <= endOf(copy)) return false
    this.#parts.history.note(hostOf(id), `had ${knownIndex}, and is put back to ${endOf(copy)}`)
    this.#lose(id, 'rolled back', others, knownIndex, copy)
    this.start(id)
    this.rollbacks++
    return true
  }

  /**
   * The node crashes, and its disk is empty (fault 17). Returns false, and does nothing, unless the others, running or not, have
   * on their disks which one it was on. If its file named no other node, it would found another cluster.
   */
  empty(id: NodeId): boolean {
    const others = this.#founders.join() === `${id}` ? undefined : this.#whoRemain(id)
    const registration = this.raft.committed[(this.#registered.get(id) ?? 0) - 1]
    const isKnownTo = (other: NodeId): boolean => knows(this.#sites.get(other)!.disk, id, registration)
    if (others?.every(isKnownTo) !== true) return false
    this.#parts.history.note(hostOf(id), 'loses its disk')
    this.#lose(id, 'emptied', others, 0, emptyDisk(++this.#disks))
    this.emptied++
    return true
  }

  /** A new process, with chance of its own. */
  start(id: NodeId): void {
    const site = this.#sites.get(id)!
    if (site.process !== undefined || site.gone) return
    for (const other of this.#sites.values()) if (other !== site) this.#forgotten(other, id)
    const { world, random, history, peers, clients, tuning, busyness } = this.#parts
    const { clockRate, disk } = site
    const process = new Process(world, hostOf(id), random.fork(), { clockRate, busyness })
    site.process = process
    history.note(hostOf(id), `starts with ${disk.entries.length} entries`)
    const onSent = ({ kind }: PeerItem): void =>
      this.#burn(site, kind.startsWith('snapshot') ? 'snapshot' : 'send')
    const onLetIn = (hello: Hello): void => this.#letIn(id, hello)
    const transport: PeerStation = peers.station(id, disk.facts.disk, process, { onSent, onLetIn })
    const own = random.fork()
    const named = site.joins ? [id] : this.#founders
    startNode({
      id,
      nodes: named.map((node) => ({ id: node, peer: peerAddressOf(node), client: addressOf(node) })),
      joins: site.joins,
      process,
      disk: disk.open(),
      transport,
      random: own,
      tuning,
      witness: this,
    }).then(
      (node) => {
        site.node = node
        clients.serve(hostOf(id), process, node.door)
      },
      (error: unknown) => this.fatal(id, error),
    )
  }

  /** kill -9 and a power cut in one: what was not synced is lost, or not. */
  crash(id: NodeId): void {
    const site = this.#sites.get(id)!
    if (site.process === undefined) return
    this.#parts.history.note(hostOf(id), 'crashes')
    site.process.kill()
    site.disk.crash()
    this.#gone(site)
  }

  /** It stays lit through crashes of other causes. */
  crashAt(id: NodeId, fuse: Fuse): void {
    this.#sites.get(id)!.fuse = fuse
  }

  /** Calls back once, when a leader has put a change of the members into its log, and has yet to tell anybody. */
  whenChanging(action: (leader: NodeId) => void): void {
    this.#awaitingChange.push(action)
  }

  /** SIGTERM: the lead is handed over, clients are sent away, what is being written ends; `then`, the process. */
  stop(id: NodeId, then: () => void): void {
    const site = this.#sites.get(id)!
    const { node } = site
    if (node === undefined || site.stopping || !node.process.awake) return
    this.#parts.history.note(hostOf(id), 'stops in order')
    site.stopping = true
    const ended = (): void => {
      if (site.node !== node) return
      this.#parts.history.note(hostOf(id), 'has stopped')
      node.process.kill()
      this.#gone(site)
      then()
    }
    node.stop().then(ended, (error: unknown) => this.fatal(id, error))
  }

  /** No more faults: every node runs, and goes on running. */
  settle(): void {
    for (const site of this.#sites.values()) {
      site.fuse = undefined
      if (site.stopping) this.crash(site.id)
      this.start(site.id)
    }
  }

  /** From now on, until it is called again. */
  setSyncMs(id: NodeId, syncMs: SyncMs = this.#parts.syncMs): void {
    this.#sites.get(id)!.syncMs = syncMs
  }

  // ---- what the nodes show

  stepped(view: NodeView, output: Output): void {
    this.raft.observe(view, output)
    this.#quorums.stepped(view, output)
    if (view.role !== 'leader' || output.write === undefined) return
    const process = this.#sites.get(view.id)?.process
    if (process === undefined) return
    for (const { index, term } of output.write.entries)
      this.#stamps.set(index, { term, awakeMs: process.awakeMs, stops: process.stops })
    if (output.write.entries.some(({ config }) => config !== undefined))
      this.#awaitingChange.shift()?.(view.id)
  }

  /** Of the committed entry: what its leader had lived through when it handed it to its disk. */
  stampOf(index: number): Stamp | undefined {
    const stamp = this.#stamps.get(index)
    return stamp?.term === this.raft.committed[index - 1]?.term ? stamp : undefined
  }

  applied(node: NodeId, index: LogIndex, batch: Batch, applied: Applied, machine: Machine): void {
    for (const command of batch.commands)
      if (command.op === 'identify') this.#registered.set(command.node, index)
    this.#parts.onApplied(index, batch, applied)
    this.#parts.machines.applied(node, index, batch, machine)
  }

  restored(node: NodeId, index: LogIndex, machine: Machine): void {
    const leaping = this.node(node)
    if (leaping !== undefined) this.#leaps(leaping, index)
    this.#parts.history.note(hostOf(node), `made of a checkpoint of ${index}`)
    this.#parts.machines.restored(node, index, machine)
  }

  /** Raft has yet to hear of it: its log is still the one that goes. */
  #leaps({ id, view }: Node, index: LogIndex): void {
    this.leaps++
    if (!isVoter(view().config, id)) this.learnersLeaps++
    const attached = this.#parts.clients.attachedTo(hostOf(id))
    if (attached > 0)
      this.#parts.history.broken('P4 no lost wakeup: clients wait for what their node leapt over', {
        node: id,
        attached,
      })
    const own = view().entryAt(index)
    if (own !== undefined && own.term === this.raft.committed[index - 1]?.term)
      this.#parts.history.broken('P8 durability: a snapshot takes what this node has acknowledged', {
        node: id,
        index,
        view: view(),
      })
  }

  claimed(node: NodeId, { reason }: Claim): void {
    const { loss } = this.#sites.get(node)!
    this.#parts.history.note(hostOf(node), `is told: ${reason}`)
    if (loss === undefined)
      this.#parts.history.broken('P10 availability: a healthy disk is doubted', { node, reason })
    else loss.isClaimed = true
  }

  leads(node: NodeId, term: number, leader: NodeId): void {
    if (leader !== node || term <= this.#termServed) return
    this.#termServed = term
    this.elections++
    this.#parts.history.note(hostOf(node), `serves term ${term}`)
  }

  /** A process that was killed in the middle of a step may stumble over what is not there any more. */
  fatal(node: NodeId, error: unknown): void {
    if (!this.isUp(node)) return
    if (error instanceof DisownedError && this.#sites.get(node)!.loss !== undefined) return this.scrap(node)
    this.#parts.history.broken('invariant: a node stopped', { node, error })
  }

  /** All of every node: too much for every step. */
  checkInvariants(): void {
    for (const { node, disk } of this.#sites.values()) {
      if (node === undefined) continue
      try {
        const { machine, appliedIndex } = node.replica
        checkMachine(machine)
        checkLog(node.view())
        checkBelonging({ start: disk.start, entries: disk.entries, checkpoint: disk.checkpoint?.start })
        if (disk.checkpoint !== undefined)
          this.#parts.machines.leadsTo(node.id, disk.checkpoint, appliedIndex, machine)
      } catch (error) {
        this.fatal(node.id, error)
      }
    }
  }

  /** Once nothing has happened for a while: what is on the disks is of the size of the state, not of its history. */
  checkBounds(): void {
    const { history, tuning } = this.#parts
    const max = KEPT_INTERVALS_MAX * tuning.checkpointBytes + SLOW_DISK_BYTES
    for (const { id } of this.members ?? []) {
      const { disk } = this.#sites.get(id)!
      const bytes = disk.entries.reduce((sum, { payload }) => sum + payload.length, 0)
      if (bytes > max) history.broken('the log stays bounded', { node: id, bytes, max })
    }
  }

  /** All at once, as by a power cut. */
  restartAll(): void {
    for (const id of this.ids) this.crash(id)
    for (const id of this.ids) this.start(id)
  }

  #whoRemain(id: NodeId): NodeId[] | undefined {
    return whoRemain(id, this.leader?.replica.status, (other) => this.isGone(other))
  }

  #lose(
    id: NodeId,
    how: DiskLoss['how'],
    others: readonly NodeId[],
    knownIndex: LogIndex,
    now: DiskCopy,
  ): void {
    const site = this.#sites.get(id)!
    this.crash(id)
    const witnesses = new Set(others)
    site.loss = { how, before: this.copyDisk(id), witnesses, knownIndex, isClaimed: false }
    Object.assign(site.disk, copyOf(now))
  }

  /**
   * A process of `witness` begins. What its log does not have it knows no more; so a machine that was rolled back, and has
   * not been told, is scrapped: that much the product asks of those who put back copies.
   */
  #forgotten({ id, loss, gone }: Site, witness: NodeId): void {
    if (loss?.how !== 'rolled back' || gone) return
    if (loss.isClaimed) loss.witnesses.delete(witness)
    else this.scrap(id)
  }

  /** One that was rolled back, and has been brought up to date before anybody asked, has lost no more than it was known for. */
  #letIn(host: NodeId, hello: Hello): void {
    const { from } = hello
    const { loss } = this.#sites.get(from)!
    if (loss?.witnesses.has(host) !== true) return
    if (isHeardWrongly(loss, hello, host, this.node(host)?.view().config))
      this.#parts.history.broken('P8 durability: a node that has lost its disk is heard', { host, hello })
    this.#parts.world.plan(0, () => this.scrap(from))
  }

  #newest(which: (status: Status) => boolean): Node | undefined {
    let newest: Node | undefined
    for (const { node } of this.#sites.values()) {
      if (node === undefined || !which(node.replica.status)) continue
      if (node.replica.status.term > (newest?.replica.status.term ?? 0)) newest = node
    }
    return newest
  }

  #burn(site: Site, effect: Effect): void {
    const { fuse } = site
    if (fuse?.effect !== effect || --fuse.count > 0) return
    this.#parts.history.note(hostOf(site.id), `in the midst of: ${effect}`)
    this.crashesByFuse++
    site.fuse = undefined
    this.crash(site.id)
    fuse.then()
  }

  #gone(site: Site): void {
    site.stopping = false
    site.node = undefined
    site.process = undefined
    this.#parts.peers.gone(site.id)
    this.#parts.clients.gone(hostOf(site.id))
  }

  #build(id: NodeId, joins: boolean): Site {
    const random = this.#parts.random.fork()
    const sync = (done: () => void, what: DiskChange): void => {
      const site = this.#sites.get(id)!
      const { syncMs, process } = site
      this.#parts.world.plan(random.between(syncMs.min, syncMs.max), () => process?.take(done))
      if (what === 'checkpoint') this.checkpoints++
      this.#burn(site, what)
    }
    const disk = this.#parts.createDisk({ sync, random: random.next, rowsPerChunk: ROWS_PER_CHUNK })
    Object.assign(disk, emptyDisk(++this.#disks))
    return {
      id,
      joins,
      gone: false,
      disk,
      clockRate: 1 + random.between(-DRIFT_MAX, DRIFT_MAX),
      syncMs: this.#parts.syncMs,
      fuse: undefined,
      stopping: false,
      loss: undefined,
      node: undefined,
      process: undefined,
    }
  }
}
