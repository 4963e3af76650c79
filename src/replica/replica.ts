import {
  type Entry,
  type FollowerProgress,
  type IgnoredReason,
  type IgnoredRequest,
  type Input,
  isVoter,
  type LogIndex,
  type Members,
  type NodeId,
  type Outgoing,
  type Output,
  type RaftNode,
  type Request,
  type Status,
} from '../../raft/index.js'
import type { Command } from '../machine/language/command.js'
import type { Machine } from '../machine/machine.js'
import { WorkQueue } from '../platform/work-queue.js'
import { APPLY_BUDGET, type Applied, Applier, type ApplyBudget } from './applier.js'
import { Checkpointer, type Place, type WrittenCheckpoint } from './checkpointer.js'
import { ConfirmedReads } from './confirmed-reads.js'
import { DiskQueue } from './disk-queue.js'
import { type Difference, DivergenceDetector } from './divergence.js'
import { LogWindow } from './log-window.js'
import type { Backup, Chunk, Clock, DigestItem, NodeDisk, SnapshotItem, Staging, Transport } from './ports.js'
import { Proposer } from './proposer.js'
import { MachineRestorer } from './record-codec.js'
import { SnapshotReceiver } from './snapshot-receiver.js'
import { SnapshotSender } from './snapshot-sender.js'

export interface ReplicaParts {
  readonly raft: RaftNode
  /** As of `raft`'s commit index: see `recover`. */
  readonly machine: Machine
  readonly disk: NodeDisk
  readonly transport: Transport
  readonly clock: Clock
  readonly tickMs: number
  /** Bytes of entries from the beginning of one checkpoint to that of the next. */
  readonly checkpointBytes: number
  /** `APPLY_BUDGET` by default. */
  readonly applyBudget?: ApplyBudget
}

export interface ReplicaHandlers {
  /** An entry has been applied to the machine. Called in log order, synchronously. */
  readonly onApplied: (applied: Applied) => void
  /** Leader, term, readiness to serve, the members or a transfer of leadership has changed. */
  readonly onStatus: (status: Status) => void
  /** `isUpToTerm` holds from now on, as long as the term does. */
  readonly onUpToTerm: () => void
  /** The machine has leapt over entries, by a peer's snapshot: what was waited for may have happened unseen. */
  readonly onRestored: () => void
  /** A peer's machine has said something else than this one, and no majority is with it. To be told to people. */
  readonly onDifference: (difference: Difference) => void
  /** A node had this in the log, which only the leader may say, or another node of itself. Nothing came of it. */
  readonly onForbidden: (origin: NodeId, op: Command['op']) => void
  /** With each step, news or not. All that is committed up to `kept` is on disk. */
  readonly onStepped: (kept: LogIndex) => void
  /** A checkpoint is on disk. */
  readonly onCheckpoint: (checkpoint: WrittenCheckpoint) => void
  /** A broken invariant, a failed disk or a `DivergedError`. Nothing more will come of this replica. */
  readonly onFatal: (error: unknown) => void
}

/** Longer than any transfer that will succeed. */
const HAND_OVER_MS = 1_000
/** Between two steps in which a machine is made of a snapshot. */
const STEP_REST_MS = 1
const NO_COMMANDS = new Uint8Array(0)
/** Of a status: what `onStatus` tells the changes of. */
const TOLD = ['leader', 'term', 'serving', 'config', 'configCommitted', 'transferring'] as const

/**
 * The loop that drives Raft: gathers what a turn of the event loop brings, steps once, and carries out the effects.
 * It never waits: while a write is in flight messages go on, and proposals gather into the next entry.
 */
export class Replica {
  readonly #parts: ReplicaParts
  readonly #disk: DiskQueue
  readonly #checkpoints: Checkpointer
  readonly #sender: SnapshotSender
  readonly #receiver: SnapshotReceiver
  readonly #reads: ConfirmedReads
  readonly #divergence: DivergenceDetector
  readonly #applier: Applier
  #handlers: ReplicaHandlers | undefined
  #status: Status
  #inputs: Input[] = []
  readonly #proposer: Proposer
  /** Whom to notify if Raft ignores a request. */
  readonly #onIgnored = new WeakMap<Request, (reason: IgnoredReason) => void>()
  #turnDue = false
  /** What is still to be applied waits for a later turn of the event loop. */
  #resting = false
  #stopped = false
  #onHandedOver: () => void = () => undefined
  /** A snapshot is being put in place of everything: until then Raft stands still. */
  #installing = false

  constructor(parts: ReplicaParts) {
    this.#parts = parts
    const {
      raft,
      machine,
      disk,
      transport,
      clock,
      tickMs,
      checkpointBytes,
      applyBudget = APPLY_BUDGET,
    } = parts
    this.#status = raft.status()
    this.#proposer = new Proposer({ machine: () => this.machine, clock, tickMs })
    const onFailed = (error: unknown): void => this.#fail(error)
    this.#disk = new DiskQueue(disk.log, {
      send: (messages) => this.#send(messages),
      written: (write) => this.#input({ kind: 'written', write }),
      failed: onFailed,
    })
    const logWindow = new LogWindow({
      raft,
      intervalBytes: checkpointBytes,
      followers: () => this.#followersInReach(),
      oldestSnapshot: () => this.#sender.oldestIndex,
    })
    const checkpointerParts = { disk, intervalBytes: checkpointBytes, clock }
    this.#checkpoints = new Checkpointer(machine, checkpointerParts, {
      logStart: (index) => logWindow.startFor(index),
      onForgotten: (index) => this.#input({ kind: 'compact', index }),
      onWritten: (checkpoint) => this.#handlers?.onCheckpoint(checkpoint),
      onFailed,
    })
    const onEnded = (peer: NodeId): void => this.#input({ kind: 'snapshot_ended', peer })
    this.#sender = new SnapshotSender(disk.records, transport, clock, onEnded)
    this.#receiver = new SnapshotReceiver(disk.records, transport, {
      commitIndex: () => this.#status.commitIndex,
      install: (staging) => this.#install(staging),
      onFailed,
    })
    this.#reads = new ConfirmedReads(new WorkQueue(clock))
    this.#divergence = new DivergenceDetector({
      self: raft.view().id,
      members: () => this.#status.config,
      send: (to, item) => transport.send(to, item),
      onDifference: (difference) => this.#handlers?.onDifference(difference),
    })
    const divergence = this.#divergence
    const index = this.#status.commitIndex
    this.#applier = new Applier(
      { machine, index, clock, budget: applyBudget, divergence },
      {
        onApplied: (applied) => this.#handlers?.onApplied(applied),
        onForbidden: (origin, op) => this.#handlers?.onForbidden(origin, op),
        onPassed: (entry, isFirstOfTerm) => this.#passed(entry, isFirstOfTerm),
      },
    )
  }

  /** As Raft has it; but a leader is `serving` only once the machine here has applied all of its log up to its no-op. */
  get status(): Status {
    return this.#status
  }

  get appliedIndex(): LogIndex {
    return this.#applier.index
  }

  /**
   * The machine has applied an entry of this term, and so all that was committed before it. Until then it may have yet to
   * hear what happened long ago.
   */
  get isUpToTerm(): boolean {
    return this.#applier.term === this.#status.term
  }

  /** The replicated state, as applied here so far. For reading only; linearizable after `confirmRead`. */
  get machine(): Machine {
    return this.#applier.machine
  }

  /** The cluster's clock in whole ms, estimated from the last entry on: for people, never for decisions. */
  clusterNow(): number {
    return this.machine.at + Math.floor(this.#parts.clock.nowMs() - this.#applier.atMs)
  }

  /** To be called before the transport delivers anything. */
  start(handlers: ReplicaHandlers): void {
    const { clock, tickMs } = this.#parts
    this.#handlers = handlers
    this.#tickAt(clock.nowMs() + tickMs)
  }

  /**
   * Hands leadership to the follower in reach that is furthest (thesis §3.10) of those who are `fit`, if this node leads.
   * Resolves when it no longer does, when that has failed, or after a second.
   */
  handOver(fit: (peer: NodeId) => boolean = () => true): Promise<void> {
    const { clock } = this.#parts
    const heirs = this.#followersInReach().filter(({ id }) => isVoter(this.#status.config, id) && fit(id))
    const heir = heirs.sort((a, b) => b.match - a.match)[0]
    if (heir === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = clock.after(HAND_OVER_MS, resolve)
      this.#onHandedOver = () => {
        timer.cancel()
        resolve()
      }
      this.transfer(heir.id, (reason) => {
        if (reason !== 'transferring') this.#onHandedOver()
      })
    })
  }

  /** Begins to change the members; `status` shows when it is done, or `onIgnored` is called. */
  reconfigure(target: Members, onIgnored: (reason: IgnoredReason) => void): void {
    this.#request({ kind: 'reconfigure', target, payload: NO_COMMANDS }, onIgnored)
  }

  /** Begins to hand leadership to this voter; `status` shows when it is done, or `onIgnored` is called, at once or later. */
  transfer(to: NodeId, onIgnored: (reason: IgnoredReason) => void): void {
    this.#request({ kind: 'transfer', to }, onIgnored)
  }

  /** The followers, if this node leads. */
  progress(): readonly FollowerProgress[] {
    return this.#parts.raft.progress()
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#reads.refuseAll()
    this.#sender.stop()
    await Promise.all([this.#receiver.stop(), this.#checkpoints.stop(), this.#disk.idle()])
  }

  /** From a peer's stream. */
  receive(from: number, message: Extract<Input, { kind: 'message' }>['message']): void {
    this.#input({ kind: 'message', from, message })
  }

  /** A checkpoint on its way from or to a peer. */
  snapshot(from: NodeId, item: SnapshotItem): void {
    if (this.#stopped) return
    if (item.kind === 'snapshot_want') this.#sender.wanted(from, item.index, item.sequence)
    else if (item.kind === 'snapshot_offer') this.#receiver.offered(from, item.start)
    else this.#receiver.received(from, item.index, item.data)
  }

  /** What a peer's machine has said. */
  digest(from: NodeId, item: DigestItem): void {
    if (this.#stopped) return
    try {
      this.#divergence.told(from, item)
    } catch (error) {
      this.#fail(error)
    }
  }

  disconnected(peer: number): void {
    this.#input({ kind: 'disconnected', peer })
  }

  /**
   * Puts a chunk into the log if this node leads. Whether it did is seen by the verdicts in `onApplied`; a chunk that
   * gets none is to be proposed again, here or at the next leader.
   */
  propose(chunk: Chunk): void {
    if (this.#status.role === 'leader' && this.#proposer.add(chunk)) this.#turnSoon()
  }

  /**
   * Calls back with true once the machine here has applied everything that was committed when this was asked (P9,
   * thesis §6.4), with false if no leader could confirm it.
   */
  confirmRead(answer: (confirmed: boolean) => void): void {
    if (this.#stopped) answer(false)
    else this.#input({ kind: 'read', id: this.#reads.add(answer) })
  }

  /**
   * The state as of now or later, on disk; its source is to be closed. Rejects if this node stops, or is given a peer's
   * snapshot meanwhile; its `chunk` rejects then, too.
   */
  async openBackup(): Promise<Backup> {
    return await this.#checkpoints.backup(this.#place)
  }

  /** Before an orderly stop: a checkpoint of now, if that takes no longer than a moment. Never rejects. */
  async checkpoint(): Promise<void> {
    if (!this.#stopped) await this.#checkpoints.last(this.#place)
  }

  readonly #place = (): Place => ({
    machine: this.machine,
    start: this.#parts.raft.startAt(this.appliedIndex),
  })

  /** Connected, and sent entries and not a snapshot. */
  #followersInReach(): FollowerProgress[] {
    const connected = this.#parts.transport.connected()
    return this.progress().filter(({ id, snapshot }) => connected.has(id) && !snapshot)
  }

  #input(input: Input): void {
    if (this.#stopped) return
    this.#inputs.push(input)
    this.#turnSoon()
  }

  #request(request: Request, onIgnored: (reason: IgnoredReason) => void): void {
    if (this.#stopped) return onIgnored('not_leader')
    this.#onIgnored.set(request, onIgnored)
    this.#input(request)
  }

  #turnSoon(): void {
    if (this.#turnDue || this.#stopped) return
    this.#turnDue = true
    this.#parts.clock.soon(() => this.#turn())
  }

  /**
   * Each tick has its time, so that on a busy machine, where timers are late, elections do not take longer. But ticks
   * that were missed are not made up for: what waits in the sockets comes first.
   */
  #tickAt(dueMs: number): void {
    const { clock, tickMs } = this.#parts
    clock.after(dueMs - clock.nowMs(), () => {
      if (this.#stopped) return
      if (!this.#installing) this.#input({ kind: 'tick' })
      const [nextMs, nowMs] = [dueMs + tickMs, clock.nowMs()]
      this.#tickAt(nextMs > nowMs ? nextMs : nowMs + tickMs)
    })
  }

  #turn(): void {
    this.#turnDue = false
    if (this.#stopped || this.#installing) return
    try {
      this.#propose()
      const inputs = this.#inputs
      this.#inputs = []
      if (inputs.length > 0) this.#carryOut(this.#parts.raft.step(inputs))
      if (!this.#resting) this.#apply()
    } catch (error) {
      this.#fail(error)
    }
  }

  /**
   * Applies as much as one turn has time for; the rest waits until the event loop has turned, and what came from peers
   * meanwhile has been stepped and acknowledged.
   */
  #apply(): void {
    this.#applier.apply()
    if (!this.#status.serving && this.#status.role === 'leader') this.#follow(this.#parts.raft.status())
    this.#reads.applied(this.appliedIndex)
    if (!this.#applier.isBehind) return
    this.#resting = true
    this.#parts.clock.after(0, () => {
      this.#resting = false
      this.#turnSoon()
    })
  }

  #carryOut(output: Output): void {
    const { transport } = this.#parts
    this.#send(output.send)
    this.#disk.push(output.write, output.sendAfterWrite)
    this.#follow(output.status)
    this.#ignored(output.ignored)
    for (const { from, message } of output.violations) transport.closeInbound(from, message)
    this.#applier.committed(output.committed)
    this.#reads.resolve(output.reads)
    for (const peer of output.snapshots) void this.#sender.send(peer)
    const { commitIndex, persistedIndex } = this.#parts.raft.view()
    this.#checkpoints.persisted(persistedIndex)
    this.#handlers?.onStepped(Math.min(commitIndex, persistedIndex))
  }

  #send(messages: readonly Outgoing[]): void {
    for (const { to, message } of messages) this.#parts.transport.send(to, { kind: 'raft', message })
  }

  #follow(raftStatus: Status): void {
    const before = this.#status
    const serving = raftStatus.serving && this.#applier.term === raftStatus.term
    const status = { ...raftStatus, serving }
    this.#status = status
    if (status.role !== 'leader') this.#loseLeadership()
    if (before.role === 'leader' && status.role !== 'leader') this.#onHandedOver()
    if (TOLD.some((figure) => before[figure] !== status[figure])) this.#handlers?.onStatus(status)
  }

  #loseLeadership(): void {
    this.#proposer.clear()
    this.#sender.stop()
  }

  #ignored(ignored: readonly IgnoredRequest[]): void {
    if (this.#status.role === 'leader') this.#proposer.ignored(ignored)
    for (const { request, reason } of ignored) this.#onIgnored.get(request)?.(reason)
  }

  /** Proposes what has gathered, once the disk is free: the next entry is as large as the last was slow. */
  #propose(): void {
    const { serving, transferring } = this.#status
    if (!serving) return
    const mayPropose = !transferring && !this.#disk.busy
    this.#inputs.push(...this.#proposer.next(mayPropose, this.#applier.isBehind))
  }

  #passed(entry: Entry, isFirstOfTerm: boolean): void {
    if (isFirstOfTerm && this.isUpToTerm) this.#handlers?.onUpToTerm()
    this.#checkpoints.applied(entry, this.machine, this.#place)
  }

  /**
   * Puts a peer's checkpoint in place of the log, the checkpoint and the machine of this node. The machine is made before,
   * while this node goes on as the one that it was. Raft stands still from before its last write until it is told, so that
   * nothing of the old log comes after.
   */
  async #install(staging: Staging): Promise<void> {
    const machine = await this.#restore(staging)
    await this.#checkpoints.pause()
    this.#installing = true
    await this.#standStill()
    const wanted = machine !== undefined && !this.#stopped && this.#parts.raft.wants(staging.start)
    if (wanted) await this.#replace(staging, machine)
    else await staging.abandon()
    this.#checkpoints.resume(wanted ? staging.start : undefined)
    this.#installing = false
    // At once: until Raft has stepped, its log is not the one that the machine belongs to.
    this.#turn()
  }

  /** Resolves when Raft has no write under way, and knows it. To hear of one may make it ask for another. */
  async #standStill(): Promise<void> {
    do {
      await this.#disk.idle()
      const isWritten = ({ kind }: Input): boolean => kind === 'written'
      const written = this.#inputs.filter(isWritten)
      this.#inputs = this.#inputs.filter((input) => !isWritten(input))
      if (written.length > 0) this.#carryOut(this.#parts.raft.step(written))
    } while (this.#disk.busy && !this.#stopped)
  }

  /** The machine of a checkpoint, a step in each turn of the event loop; undefined if this node stops before it is done. */
  async #restore(staging: Staging): Promise<Machine | undefined> {
    const { clock } = this.#parts
    const restorer = new MachineRestorer()
    await staging.load(restorer.take)
    const steps = restorer.inSteps()
    while (!this.#stopped) {
      const { done, value } = steps.next()
      if (done) return value
      await new Promise<void>((resolve) => clock.after(STEP_REST_MS, resolve))
    }
    return undefined
  }

  async #replace(staging: Staging, machine: Machine): Promise<void> {
    await this.#parts.disk.install(staging)
    this.#applier.restored(machine, staging.start)
    this.#inputs.unshift({ kind: 'restored', start: staging.start })
    if (!this.#stopped) this.#handlers?.onRestored()
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    void this.stop()
    this.#handlers?.onFatal(error)
  }
}
