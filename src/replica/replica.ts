import type { Entry, Input, Outgoing, Output, RaftNode, ReadVerdict, Status } from '../../raft/index.js'
import type { Command, MachineEvent, Verdict } from '../machine/command.js'
import type { Machine } from '../machine/machine.js'
import { ClusterClock } from './cluster-clock.js'
import { DiskQueue } from './disk-queue.js'
import { decodeCommands, decodePayload, encodePayload } from './payload.js'
import type { Chunk, Clock, LogStore, PeerItem, Transport } from './ports.js'

export interface ReplicaParts {
  readonly raft: RaftNode
  readonly machine: Machine
  readonly store: LogStore
  readonly transport: Transport
  readonly clock: Clock
  readonly tickMs: number
}

export interface ReplicaHandlers {
  /** An entry has been applied to the machine. Called in log order, synchronously. */
  readonly onApplied: (applied: Applied) => void
  /** Leader, term or readiness to serve has changed. */
  readonly onStatus: (status: Status) => void
  /** A broken invariant or a failed disk. Nothing more will come of this replica. */
  readonly onFatal: (error: unknown) => void
}

/** What one entry did: the verdicts of each chunk's commands, and the events in the order they came to pass. */
export interface Applied {
  readonly index: number
  readonly chunks: readonly { readonly chunk: Chunk; readonly verdicts: readonly Verdict[] }[]
  readonly events: readonly MachineEvent[]
}

/** Bytes of chunks waiting for the disk on a leader; beyond, chunks are dropped and their origin repeats them. */
const INBOX_BYTES_MAX = 64 * 1024 * 1024
/** Bytes of chunks in one entry; one chunk always fits. */
export const ENTRY_BYTES_MAX = 1024 * 1024
/**
 * Cluster time that a change of leader may lose, in ms, beside 1 % of what is left until the next deadline: the rest of
 * P7's 250 ms is for the tick and the commit.
 */
const UNTOLD_MS_MAX = 200

/**
 * The loop that drives Raft: gathers what a turn of the event loop brings, steps once, and carries out the effects.
 * It never waits: while a write is in flight messages go on, and proposals gather into the next entry.
 */
export class Replica {
  readonly #parts: ReplicaParts
  readonly #disk: DiskQueue
  #handlers: ReplicaHandlers | undefined
  #status: Status
  #inputs: Input[] = []
  #chunks: Chunk[] = []
  #chunkBytes = 0
  #turnDue = false
  #stopped = false
  #clusterClock: ClusterClock | undefined
  #stampedAt = 0
  #appliedIndex = 0
  #appliedAtMs = 0
  #readId = 0
  #asked = new Map<number, (confirmed: boolean) => void>()
  #confirmed: { index: number; answer: (confirmed: boolean) => void }[] = []

  constructor(parts: ReplicaParts) {
    this.#parts = parts
    this.#status = parts.raft.status()
    this.#disk = new DiskQueue(parts.store, {
      send: (messages) => this.#send(messages),
      written: (write) => this.#input({ kind: 'written', write }),
      failed: (error) => this.#fail(error),
    })
  }

  get status(): Status {
    return this.#status
  }

  get appliedIndex(): number {
    return this.#appliedIndex
  }

  /** The replicated state, as applied here so far. For reading only; linearizable after `confirmRead`. */
  get machine(): Machine {
    return this.#parts.machine
  }

  /** The cluster's clock in whole ms, estimated from the last entry on: for people, never for decisions. */
  clusterNow(): number {
    return this.machine.at + Math.floor(this.#parts.clock.nowMs() - this.#appliedAtMs)
  }

  /** To be called before the transport delivers anything. */
  start(handlers: ReplicaHandlers): void {
    this.#handlers = handlers
    this.#tickLater()
  }

  stop(): void {
    this.#stopped = true
    for (const answer of this.#asked.values()) answer(false)
    for (const { answer } of this.#confirmed) answer(false)
    this.#asked.clear()
    this.#confirmed = []
  }

  /** From a peer's stream. */
  receive(from: number, message: Extract<Input, { kind: 'message' }>['message']): void {
    this.#input({ kind: 'message', from, message })
  }

  disconnected(peer: number): void {
    this.#input({ kind: 'disconnected', peer })
  }

  /**
   * Puts a chunk into the log if this node leads. Whether it did is seen by the verdicts in `onApplied`; a chunk that
   * gets none is to be proposed again, here or at the next leader.
   */
  propose(chunk: Chunk): void {
    if (this.#status.role !== 'leader' || this.#chunkBytes + chunk.commands.length > INBOX_BYTES_MAX) return
    this.#chunks.push(chunk)
    this.#chunkBytes += chunk.commands.length
    this.#turnSoon()
  }

  /**
   * Calls back with true once the machine here has applied everything that was committed when this was asked (P9,
   * thesis §6.4), with false if no leader could confirm it.
   */
  confirmRead(answer: (confirmed: boolean) => void): void {
    if (this.#stopped) return answer(false)
    const id = ++this.#readId
    this.#asked.set(id, answer)
    this.#input({ kind: 'read', id })
  }

  #input(input: Input): void {
    this.#inputs.push(input)
    this.#turnSoon()
  }

  #turnSoon(): void {
    if (this.#turnDue || this.#stopped) return
    this.#turnDue = true
    this.#parts.clock.soon(() => this.#turn())
  }

  #tickLater(): void {
    this.#parts.clock.after(this.#parts.tickMs, () => {
      if (this.#stopped) return
      this.#inputs.push({ kind: 'tick' })
      this.#turnSoon()
      this.#tickLater()
    })
  }

  #turn(): void {
    this.#turnDue = false
    if (this.#stopped) return
    try {
      this.#proposeChunks()
      const inputs = this.#inputs
      this.#inputs = []
      if (inputs.length > 0) this.#carryOut(this.#parts.raft.step(inputs))
    } catch (error) {
      this.#fail(error)
    }
  }

  #carryOut(output: Output): void {
    this.#send(output.send)
    this.#disk.push(output.write, output.sendAfterWrite)
    this.#follow(output.status)
    for (const entry of output.committed) this.#apply(entry)
    for (const verdict of output.reads) this.#resolveRead(verdict)
    this.#answerReads()
  }

  #send(messages: readonly Outgoing[]): void {
    for (const { to, message } of messages)
      this.#parts.transport.send(to, { kind: 'raft', message } satisfies PeerItem)
  }

  #follow(status: Status): void {
    const before = this.#status
    this.#status = status
    if (status.role !== 'leader') this.#loseLeadership()
    if (before.leader !== status.leader || before.term !== status.term || before.serving !== status.serving) {
      this.#handlers?.onStatus(status)
    }
  }

  #loseLeadership(): void {
    this.#clusterClock = undefined
    this.#stampedAt = 0
    this.#chunks = []
    this.#chunkBytes = 0
  }

  /** Stamps and proposes what has gathered, once the disk is free: the next entry is as large as the last was slow. */
  #proposeChunks(): void {
    if (!this.#status.serving) return
    const { machine, clock, tickMs } = this.#parts
    // By the time a leader serves, it has applied all of its log up to its term's no-op: machine.at is the last `at`.
    this.#clusterClock ??= new ClusterClock(machine.at, clock.nowMs(), tickMs)
    const at = Math.max(machine.at, this.#clusterClock.turn(clock.nowMs()))
    if (this.#disk.busy) return
    if (this.#chunks.length > 0) this.#proposeGathered(at)
    else if (this.#timeDue(at)) this.#proposeEntry(at, [])
  }

  /**
   * The log is to be told the time: a deadline has passed, or so much of the way to it that the next leader, who goes on
   * from the last `at` in the log, would make it too late (P7). Not if an entry under way finds the deadline.
   */
  #timeDue(at: number): boolean {
    const { machine } = this.#parts
    const deadline = machine.nextDeadline()
    const told = Math.max(machine.at, this.#stampedAt)
    if (deadline === undefined || told >= deadline) return false
    return at >= Math.min(deadline, told + UNTOLD_MS_MAX + (deadline - told) / 100)
  }

  #proposeGathered(at: number): void {
    let batch: Chunk[] = []
    let bytes = 0
    for (const chunk of this.#chunks) {
      if (batch.length > 0 && bytes + chunk.commands.length > ENTRY_BYTES_MAX) {
        this.#proposeEntry(at, batch)
        batch = []
        bytes = 0
      }
      batch.push(chunk)
      bytes += chunk.commands.length
    }
    this.#proposeEntry(at, batch)
    this.#chunks = []
    this.#chunkBytes = 0
  }

  #proposeEntry(at: number, chunks: readonly Chunk[]): void {
    this.#stampedAt = at
    this.#inputs.push({ kind: 'propose', payload: encodePayload(at, chunks) })
  }

  #apply(entry: Entry): void {
    this.#appliedIndex = entry.index
    if (entry.payload.length === 0) return
    const { at, chunks } = decodePayload(entry.payload)
    const commands: Command[] = []
    for (const chunk of chunks) decodeCommands(chunk.commands, chunk.count, commands)
    const { verdicts, events } = this.#parts.machine.apply({ at, commands })
    this.#appliedAtMs = this.#parts.clock.nowMs()
    let start = 0
    const settled = chunks.map((chunk) => {
      const own = verdicts.slice(start, start + chunk.count)
      start += chunk.count
      return { chunk, verdicts: own }
    })
    this.#handlers?.onApplied({ index: entry.index, chunks: settled, events })
  }

  #resolveRead({ id, index }: ReadVerdict): void {
    const answer = this.#asked.get(id)
    if (answer === undefined) return
    this.#asked.delete(id)
    if (index === undefined) answer(false)
    else this.#confirmed.push({ index, answer })
  }

  #answerReads(): void {
    if (this.#confirmed.length === 0) return
    const ready = this.#confirmed.filter(({ index }) => index <= this.#appliedIndex)
    if (ready.length === 0) return
    this.#confirmed = this.#confirmed.filter(({ index }) => index > this.#appliedIndex)
    for (const { answer } of ready) answer(true)
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.stop()
    this.#handlers?.onFatal(error)
  }
}
