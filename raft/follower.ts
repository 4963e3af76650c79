import type { Append, AppendResult, Commit, ReadResult } from './message.js'
import { ForwardedReads } from './reads.js'
import type { RoleState, Turn } from './role.js'
import type { Server } from './server.js'
import { type LogIndex, NOBODY, type NodeId, type Term } from './types.js'

/** Passive: takes over the leader's log, answers, and watches for its silence (§3.3). */
export class Follower implements RoleState {
  readonly kind = 'follower'
  readonly #server: Server
  readonly #reads: ForwardedReads
  #leader: NodeId = NOBODY
  /** Ticks since the leader was last heard. */
  #silence = 0
  #timeout: number
  /** This log equals the leader's up to here. */
  #match: LogIndex = 0
  /** Answers of this step: one says what all its appends came to. They go down with this role, and so with its term. */
  #accepted: AppendResult | undefined
  #refused: AppendResult | undefined

  constructor(server: Server) {
    this.#server = server
    this.#reads = new ForwardedReads(server.config.pendingReadsMax, server.outbox)
    this.#timeout = server.alone ? 1 : server.electionTimeout()
  }

  get leader(): NodeId {
    return this.#leader
  }

  get loyal(): boolean {
    return this.#leader !== NOBODY && this.#silence < this.#server.config.electionTicks
  }

  /** Never more than this log has: what its leader has said in this term, it doesn't take back. */
  get match(): LogIndex {
    return this.#match
  }

  tick(): Turn {
    this.#silence++
    this.#reads.expire(this.#server.now - this.#server.config.electionTicks)
    if (this.#silence < this.#timeout || this.#server.diskStalled()) return 'stay'
    return this.#server.mayStand ? 'rehearse' : 'follow'
  }

  /** TimeoutNow (§3.10): the leader wants this node in its place. */
  timeoutNow(leader: NodeId): Turn {
    this.#hear(leader)
    return this.#server.mayStand && !this.#server.diskStalled() ? 'take_over' : 'stay'
  }

  /** The log is now a peer's checkpoint, in which all is committed. If there is a leader, it is told. */
  restored(): void {
    this.#match = this.#server.log.lastIndex
    this.#refused = undefined
    if (this.#leader !== NOBODY) this.#accept(0)
  }

  /** AppendEntries (§3.5). */
  append(leader: NodeId, message: Append): void {
    this.#hear(leader)
    const { log } = this.#server
    const { prevIndex, prevTerm, entries, round } = message
    // What is committed here is in the leader's log too (§3.6.3), so only what lies beyond needs to be compared.
    if (prevIndex > log.commitIndex && log.termAt(prevIndex) !== prevTerm) {
      this.#refuse(message)
      return
    }
    log.merge(entries)
    this.#match = Math.max(this.#match, log.commitIndex, prevIndex + entries.length)
    log.commitTo(Math.min(message.commit, this.#match))
    this.#accept(round)
  }

  commit(leader: NodeId, { commit }: Commit): void {
    this.#hear(leader)
    this.#server.log.commitTo(Math.min(commit, this.#match))
  }

  read(id: number): void {
    if (this.#leader === NOBODY) this.#server.outbox.answerRead(id, undefined)
    else this.#reads.add(id)
  }

  readAnswered({ id, index }: ReadResult): void {
    this.#reads.answered(id, index === 0 ? undefined : index)
  }

  /** This node gave its vote: the candidate gets time to win (§3.4). */
  voted(): void {
    this.#silence = 0
  }

  /** The leader's process probably died. Asking around is free, for a pre-vote decides nothing. */
  disconnected(peer: NodeId): void {
    if (peer !== this.#leader) return
    this.#leader = NOBODY
    this.#accepted = undefined
    this.#refused = undefined
    this.#reads.refuseAll()
    this.#silence = 0
    this.#timeout = 1 + this.#server.randomBelow(this.#server.config.disconnectTicks)
  }

  flush(): void {
    this.#forwardReads()
    if (this.#accepted !== undefined) this.#server.outbox.sendAfterWrite(this.#leader, this.#accepted)
    if (this.#refused !== undefined) this.#server.outbox.sendAfterWrite(this.#leader, this.#refused)
    this.#accepted = undefined
    this.#refused = undefined
  }

  leave(): void {
    this.#reads.refuseAll()
  }

  #hear(leader: NodeId): void {
    if (this.#leader !== leader) {
      this.#server.recognize(leader)
      this.#leader = leader
      this.#timeout = this.#server.electionTimeout()
    }
    this.#silence = 0
  }

  #refuse({ prevIndex, prevTerm, round }: Append): void {
    const { log } = this.#server
    // A leader has all that is committed here; a hint below says nothing, and may lie before the start of this log.
    const index = Math.max(log.commitIndex, log.lastWithTermAtMost(prevIndex, prevTerm))
    this.#refused = this.#result(false, prevIndex, { index, term: log.termAt(index)! }, round)
  }

  #accept(round: number): void {
    const newest = Math.max(round, this.#accepted?.round ?? 0)
    this.#accepted = this.#result(true, this.#match, { index: 0, term: 0 }, newest)
  }

  #result(
    accepted: boolean,
    index: LogIndex,
    hint: { readonly index: LogIndex; readonly term: Term },
    round: number,
  ): AppendResult {
    const { term } = this.#server
    return { kind: 'append_result', term, accepted, index, hintIndex: hint.index, hintTerm: hint.term, round }
  }

  #forwardReads(): void {
    if (!this.#reads.gathered) return
    const { term, now, outbox } = this.#server
    const id = this.#server.nextRequest()
    outbox.send(this.#leader, { kind: 'read', term, id })
    this.#reads.asked(id, now)
  }
}
