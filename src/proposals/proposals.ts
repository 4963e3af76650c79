import { NOBODY, type NodeId, type Status } from '../../raft/index.js'
import type { Command, Verdict } from '../machine/language/command.js'
import { FairQueue } from '../platform/fair-queue.js'
import { WorkQueue } from '../platform/work-queue.js'
import type { Applied } from '../replica/applier.js'
import { encodeCommands } from '../replica/payload.js'
import { type Chunk, type Clock, isOfLeader, type Timer, type Transport } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'
import { heldBytes, isUrgent, laneOf } from './lanes.js'

/** Who waits for a verdict. Called once, synchronously when the command has been applied on this node. */
export interface Waiter {
  settle(verdict: Verdict): void
  /** True when nobody cares any more: the command need not be repeated. */
  readonly gone: boolean
}

export interface ProposalsParts {
  readonly self: NodeId
  readonly replica: Replica
  readonly transport: Transport
  readonly clock: Clock
  /** Of the first command, from 1. Later processes of this node must start elsewhere. */
  readonly firstNumber: number
  readonly limits: ProposalLimits
}

/** Both by `heldBytes`. */
export interface ProposalLimits {
  /** Of what waits here and is not yet on its way to the log. */
  readonly heldBytesMax: number
  /** Of what is on its way and not yet applied. Renewals find as much again. */
  readonly windowBytes: number
}

const HELD_BYTES_MAX = 192 * 1024 * 1024
/** What is held becomes claims, if there is room; and much of a small heap would be held instead of what it is for. */
const HELD_SHARE = 1 / 8

export const PROPOSAL_LIMITS: ProposalLimits = {
  heldBytesMax: HELD_BYTES_MAX,
  /** 2,048 small commands, which a leader takes within some 25 ms: so long waits who comes next for what has left before. */
  windowBytes: 1024 * 1024,
}

/** Of a node with this much heap. */
export function proposalLimits(heapLimitBytes: number): ProposalLimits {
  const heldBytesMax = Math.min(HELD_BYTES_MAX, Math.floor(heapLimitBytes * HELD_SHARE))
  return { ...PROPOSAL_LIMITS, heldBytesMax }
}

/** Of what is held; renewals have room of their own. */
const RENEWALS_SHARE = 1 / 8
/** From which on a chunk takes no further command. Encoded, it is far from the limit of what a peer takes at once. */
const CHUNK_BYTES = 256 * 1024
const CHUNK_COMMANDS_MAX = 1_024
/** How often to look for chunks that may have been dropped on the way. */
const REPEAT_MS = 1_000

interface Submitted {
  readonly command: Command
  readonly waiter: Waiter
}

interface PendingChunk {
  readonly chunk: Chunk
  /** Its share of the window. */
  readonly bytes: number
  readonly waiters: readonly Waiter[]
  sentAtMs: number
  /** Without a verdict for so long it is sent again, ever more rarely: copies make a slow log slower. */
  patienceMs: number
}

/**
 * From a request to its verdict. Commands wait here in the lanes of their sessions, which take turns, until there is room in the
 * window of what is on its way: so nobody waits for another's backlog, and no turn of the event loop encodes, proposes or settles
 * more than a window. In chunks they go to the leader, be it this node or another, and again to the next leader,
 * until this node's own log says what became of them. Repeating is safe because the machine knows a request by
 * (session, slot, seq): a failover is only a delay (P5).
 */
export class Proposals {
  readonly #parts: ProposalsParts
  #nextNumber: number
  readonly #held: FairQueue<Submitted>
  readonly #renewals: FairQueue<Submitted>
  /** Sends a chunk a step. */
  readonly #work: WorkQueue
  #isFlushing = false
  /** By the number of the first command, in the order in which they left. */
  readonly #pending = new Map<number, PendingChunk>()
  /** Of all that is pending. */
  #pendingBytes = 0
  #repeatTimer: Timer | undefined
  #stopped = false

  constructor(parts: ProposalsParts) {
    this.#parts = parts
    this.#nextNumber = parts.firstNumber
    this.#work = new WorkQueue(parts.clock)
    this.#held = new FairQueue(parts.limits.heldBytesMax)
    this.#renewals = new FairQueue(parts.limits.heldBytesMax * RENEWALS_SHARE)
  }

  /** Of all that has no verdict yet, about. */
  get heldBytes(): number {
    return this.#held.bytes + this.#renewals.bytes + this.#pendingBytes
  }

  /** False: too much waits here, or in the lane of this session; nothing was taken, the request may be repeated as it is. */
  submit(command: Command, waiter: Waiter): boolean {
    if (this.#stopped) return false
    const queue = isUrgent(command) ? this.#renewals : this.#held
    const lane = laneOf(command, this.#parts.replica.machine)
    if (!queue.push(lane, { command, waiter }, heldBytes(command))) return false
    this.#flushSoon()
    return true
  }

  /**
   * Into the log of this node, if it leads, in one entry and ahead of what waits for it: never repeated, here or
   * elsewhere, and nobody waits for the verdicts.
   */
  proposeOnce(commands: readonly Command[]): void {
    this.#parts.replica.propose(this.#ofLeader(commands))
  }

  /** Into the log of this node, as long as it leads: then it is forgotten, and the verdict never comes. */
  proposeAsLeader(command: Command, waiter: Waiter): void {
    this.#track(this.#ofLeader([command]), [waiter], heldBytes(command))
    this.#repeatLater()
  }

  /** From a peer: if this node does not lead, the chunk is dropped, and its origin will see who leads. */
  forwarded(chunk: Chunk): void {
    this.#parts.replica.propose(chunk)
  }

  onApplied({ chunks }: Applied): void {
    for (const { chunk, verdicts } of chunks) {
      if (chunk.origin === this.#parts.self) this.#settle(chunk.first, verdicts)
    }
  }

  /** There may be a new leader: what is pending goes there, oldest first. It keeps that until it is ready. */
  onStatus(status: Status): void {
    if (status.leader !== this.#parts.self) this.#repeat(({ chunk }) => isOfLeader(chunk))
    if (status.leader !== NOBODY && !status.serving) this.#repeat(() => true)
  }

  /** The stream to a peer is back; what was under way to it may have been lost. */
  onConnected(peer: NodeId): void {
    if (peer === this.#parts.replica.status.leader) this.#repeat(() => true)
  }

  /** This node leapt over entries, and over the verdicts in them: asked again, the machine remembers. */
  onRestored(): void {
    this.#repeat(() => true)
  }

  stop(): void {
    this.#stopped = true
    this.#repeatTimer?.cancel()
  }

  #flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    this.#work.add(this, () => {
      this.#isFlushing = this.#sendNext()
      return this.#isFlushing
    })
  }

  /** Returns false when there is nothing to send, or no room in the window. */
  #sendNext(): boolean {
    const { windowBytes } = this.#parts.limits
    const forRenewals = 2 * windowBytes - this.#pendingBytes
    const forOthers = windowBytes - this.#pendingBytes
    if (this.#stopped) return false
    if (!this.#renewals.isEmpty && forRenewals > 0) this.#sendChunk(this.#renewals, forRenewals)
    else if (!this.#held.isEmpty && forOthers > 0) this.#sendChunk(this.#held, forOthers)
    else return false
    return true
  }

  /** Of some commands, which may all be passed over: so a step is short, however many clients have left. */
  #sendChunk(queue: FairQueue<Submitted>, roomBytes: number): void {
    const commands: Command[] = []
    const waiters: Waiter[] = []
    let bytes = 0
    for (let looked = 0; looked < CHUNK_COMMANDS_MAX && bytes < Math.min(CHUNK_BYTES, roomBytes); looked++) {
      const taken = queue.take()
      if (taken === undefined) break
      const { command, waiter } = taken.item
      if (waiter.gone && isAddition(command)) continue
      commands.push(command)
      waiters.push(waiter)
      bytes += taken.bytes
    }
    if (commands.length === 0) return
    this.#track(this.#chunkOf(commands), waiters, bytes)
    this.#repeatLater()
  }

  #chunkOf(commands: readonly Command[]): Chunk {
    const first = this.#nextNumber
    this.#nextNumber += commands.length
    return { origin: this.#parts.self, first, count: commands.length, commands: encodeCommands(commands) }
  }

  #ofLeader(commands: readonly Command[]): Chunk {
    const chunk = this.#chunkOf(commands)
    return { ...chunk, first: -chunk.first }
  }

  #track(chunk: Chunk, waiters: readonly Waiter[], bytes: number): void {
    const pending = { chunk, bytes, waiters, sentAtMs: 0, patienceMs: REPEAT_MS }
    this.#pendingBytes += bytes
    this.#pending.set(chunk.first, pending)
    this.#send(pending)
  }

  #send(pending: PendingChunk): void {
    const { replica, transport, self, clock } = this.#parts
    const { leader } = replica.status
    pending.sentAtMs = clock.nowMs()
    if (leader === self) replica.propose(pending.chunk)
    else if (isOfLeader(pending.chunk)) this.#drop(pending.chunk.first, pending)
    else if (leader !== NOBODY) transport.send(leader, { kind: 'forward', chunk: pending.chunk })
  }

  /** A chunk doubled in the log settles once: the second time it is not pending any more. */
  #settle(first: number, verdicts: readonly Verdict[]): void {
    const pending = this.#pending.get(first)
    if (pending === undefined) return
    this.#drop(first, pending)
    pending.waiters.forEach((waiter, k) => {
      const verdict = verdicts[k]
      if (verdict !== undefined) waiter.settle(verdict)
    })
  }

  #drop(first: number, pending: PendingChunk): void {
    this.#pending.delete(first)
    this.#pendingBytes -= pending.bytes
    if (!this.#held.isEmpty || !this.#renewals.isEmpty) this.#flushSoon()
  }

  #repeat(isDue: (pending: PendingChunk) => boolean): void {
    for (const [first, pending] of this.#pending) {
      if (pending.waiters.every((waiter) => waiter.gone)) this.#drop(first, pending)
      else if (isDue(pending)) this.#send(pending)
    }
  }

  #repeatLater(): void {
    this.#repeatTimer ??= this.#parts.clock.after(REPEAT_MS, () => {
      this.#repeatTimer = undefined
      const nowMs = this.#parts.clock.nowMs()
      this.#repeat((pending) => {
        // What the leader says itself was not dropped on the way: a copy would come behind what it has said since.
        if (isOfLeader(pending.chunk)) return false
        const due = nowMs - pending.sentAtMs > pending.patienceMs - REPEAT_MS / 2
        if (due) pending.patienceMs *= 2
        return due
      })
      if (this.#pending.size > 0 && !this.#stopped) this.#repeatLater()
    })
  }
}

/** May be dropped if its client has left before it was sent; what ends or renews something may not. */
function isAddition({ op }: Command): boolean {
  return op === 'acquire' || op === 'open'
}
