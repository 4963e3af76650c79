import { NOBODY, type NodeId, type Status } from '../../raft/index.js'
import type { Command, Verdict } from '../machine/command.js'
import { encodeCommands } from '../replica/payload.js'
import type { Chunk, Clock, Timer, Transport } from '../replica/ports.js'
import type { Applied, Replica } from '../replica/replica.js'

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
  /** Of the first command. Later processes of this node must start higher or elsewhere: wall-clock µs will do. */
  readonly firstNumber: number
}

/** Commands taken and not yet applied, per node. */
const PENDING_MAX = 262_144
/** A chunk without a verdict for so long is sent again; it may have been dropped on the way. */
const REPEAT_MS = 1_000

interface PendingChunk {
  readonly chunk: Chunk
  readonly waiters: readonly Waiter[]
  sentAtMs: number
}

/**
 * From a request to its verdict. The commands of one turn go as one chunk to the leader, be it this node or another, and
 * again to the next leader, until this node's own log says what became of them. Repeating is safe because the machine
 * knows a request by (session, slot, seq): a failover is only a delay (P5).
 */
export class Proposals {
  readonly #parts: ProposalsParts
  #nextNumber: number
  #commands: Command[] = []
  #waiters: Waiter[] = []
  /** By the number of the first command, in order of submission. */
  readonly #pending = new Map<number, PendingChunk>()
  #pendingCount = 0
  #repeatTimer: Timer | undefined
  #stopped = false

  constructor(parts: ProposalsParts) {
    this.#parts = parts
    this.#nextNumber = parts.firstNumber
  }

  /** False: too much is pending; nothing was taken, the request may be repeated as it is. */
  submit(command: Command, waiter: Waiter): boolean {
    if (this.#stopped || this.#pendingCount >= PENDING_MAX) return false
    if (this.#commands.length === 0) this.#parts.clock.soon(() => this.#flush())
    this.#commands.push(command)
    this.#waiters.push(waiter)
    this.#pendingCount++
    return true
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

  /** There may be a new leader, or an old one that became ready: what is pending goes there, oldest first. */
  onStatus(status: Status): void {
    if (status.leader !== NOBODY) this.#repeat(() => true)
  }

  /** The stream to a peer is back; what was under way to it may have been lost. */
  onConnected(peer: NodeId): void {
    if (peer === this.#parts.replica.status.leader) this.#repeat(() => true)
  }

  stop(): void {
    this.#stopped = true
    this.#repeatTimer?.cancel()
  }

  #flush(): void {
    const commands = this.#commands
    const chunk: Chunk = {
      origin: this.#parts.self,
      first: this.#nextNumber,
      count: commands.length,
      commands: encodeCommands(commands),
    }
    this.#nextNumber += commands.length
    const pending = { chunk, waiters: this.#waiters, sentAtMs: 0 }
    this.#commands = []
    this.#waiters = []
    this.#pending.set(chunk.first, pending)
    this.#send(pending)
    this.#repeatLater()
  }

  #send(pending: PendingChunk): void {
    const { replica, transport, self, clock } = this.#parts
    const { leader } = replica.status
    pending.sentAtMs = clock.nowMs()
    if (leader === self) replica.propose(pending.chunk)
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
    this.#pendingCount -= pending.chunk.count
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
      const sentBeforeMs = this.#parts.clock.nowMs() - REPEAT_MS / 2
      this.#repeat((pending) => pending.sentAtMs < sentBeforeMs)
      if (this.#pending.size > 0 && !this.#stopped) this.#repeatLater()
    })
  }
}
