import { NOBODY, type NodeId, type Status } from '../../raft/index.js'
import type { Command, Verdict } from '../machine/language/command.js'
import { encodeCommands } from '../replica/payload.js'
import type { Chunk, Clock, Timer, Transport } from '../replica/ports.js'
import { type Applied, ENTRY_BYTES_MAX, type Replica } from '../replica/replica.js'

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

/** Commands taken and not yet applied, per node, and their bytes. */
const PENDING_MAX = 262_144
const PENDING_BYTES_MAX = 64 * 1024 * 1024
/** How often to look for chunks that may have been dropped on the way. */
const REPEAT_MS = 1_000

interface PendingChunk {
  readonly chunk: Chunk
  readonly waiters: readonly Waiter[]
  sentAtMs: number
  /** Without a verdict for so long it is sent again, ever more rarely: copies make a slow log slower. */
  patienceMs: number
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
  #pendingBytes = 0
  #repeatTimer: Timer | undefined
  #stopped = false

  constructor(parts: ProposalsParts) {
    this.#parts = parts
    this.#nextNumber = parts.firstNumber
  }

  /** False: too much is pending; nothing was taken, the request may be repeated as it is. */
  submit(command: Command, waiter: Waiter): boolean {
    const full = this.#pendingCount >= PENDING_MAX || this.#pendingBytes >= PENDING_BYTES_MAX
    if (this.#stopped || full) return false
    if (this.#commands.length === 0) this.#parts.clock.soon(() => this.#flush())
    this.#commands.push(command)
    this.#waiters.push(waiter)
    this.#pendingCount++
    return true
  }

  /**
   * Into the log of this node, if it leads, in one entry and ahead of what waits for it: never repeated, here or
   * elsewhere, and nobody waits for the verdicts.
   */
  proposeOnce(commands: readonly Command[]): void {
    const { self, replica } = this.#parts
    const first = this.#nextNumber
    const count = commands.length
    this.#nextNumber += count
    replica.propose({ origin: self, first, count, commands: encodeCommands(commands) }, true)
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

  #flush(): void {
    const commands = this.#commands
    const waiters = this.#waiters
    this.#commands = []
    this.#waiters = []
    if (this.#stopped) return
    this.#cut(commands, waiters)
    this.#repeatLater()
  }

  /** A chunk must fit an entry: a peer that never takes an entry, because it is too large, stops the log for good. */
  #cut(commands: readonly Command[], waiters: readonly Waiter[]): void {
    const count = commands.length
    const encoded = encodeCommands(commands)
    if (encoded.length <= ENTRY_BYTES_MAX || count === 1) return this.#add(count, encoded, waiters)
    const half = count >> 1
    this.#cut(commands.slice(0, half), waiters.slice(0, half))
    this.#cut(commands.slice(half), waiters.slice(half))
  }

  #add(count: number, commands: Uint8Array, waiters: readonly Waiter[]): void {
    const chunk: Chunk = { origin: this.#parts.self, first: this.#nextNumber, count, commands }
    const pending = { chunk, waiters, sentAtMs: 0, patienceMs: REPEAT_MS }
    this.#nextNumber += count
    this.#pendingBytes += commands.length
    this.#pending.set(chunk.first, pending)
    this.#send(pending)
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
    this.#pendingBytes -= pending.chunk.commands.length
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
        const due = nowMs - pending.sentAtMs > pending.patienceMs - REPEAT_MS / 2
        if (due) pending.patienceMs *= 2
        return due
      })
      if (this.#pending.size > 0 && !this.#stopped) this.#repeatLater()
    })
  }
}
