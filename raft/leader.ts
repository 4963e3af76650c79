import type { AppendResult, ReadRequest } from './message.js'
import { Progress } from './progress.js'
import { reachedByMajority } from './quorum.js'
import { type PendingRead, ReadRounds } from './reads.js'
import type { RoleState, Turn } from './role.js'
import type { Server } from './server.js'
import type { LogIndex, NodeId } from './types.js'

const NO_OP = new Uint8Array(0)

/** Orders entries, brings them to the followers, and decides what is committed (§3.5, §3.6). */
export class Leader implements RoleState {
  readonly kind = 'leader'
  /** §4.2.3: as long as this node leads, a majority has been heard lately, and nobody needs another leader. */
  readonly loyal = true
  readonly #server: Server
  readonly #followers = new Map<NodeId, Progress>()
  readonly #reads: ReadRounds
  readonly #noOpIndex: LogIndex
  #ticksSinceHeartbeat = 0
  /** Every follower is to be sent something at the end of this step, if only an empty append. */
  #heartbeatDue = false

  constructor(server: Server) {
    this.#server = server
    this.#reads = new ReadRounds(server.config.pendingReadsMax)
    this.#noOpIndex = server.log.lastIndex + 1
    for (const peer of server.peers) this.#followers.set(peer, new Progress(this.#noOpIndex, server.now))
    this.propose(NO_OP)
  }

  get leader(): NodeId {
    return this.#server.config.id
  }

  /** §6.4: until its no-op is committed, a leader doesn't know what is. */
  get serving(): boolean {
    return this.#server.log.commitIndex >= this.#noOpIndex
  }

  tick(): Turn {
    if (this.#server.diskStalled() || !this.#hearsMajority()) return 'follow'
    if (++this.#ticksSinceHeartbeat >= this.#server.config.heartbeatTicks) {
      this.#ticksSinceHeartbeat = 0
      this.#heartbeatDue = true
    }
    return 'stay'
  }

  propose(payload: Uint8Array): void {
    const { log, term } = this.#server
    log.append({ index: log.lastIndex + 1, term, payload })
  }

  appendAnswered(from: NodeId, message: AppendResult): void {
    const { log, now } = this.#server
    if (message.index > log.lastIndex || message.round > this.#reads.newest) return
    const progress = this.#followers.get(from)!
    progress.heardAt = now
    progress.round = Math.max(progress.round, message.round)
    if (message.accepted) progress.accepted(message.index)
    else progress.refused(message.index, log.lastWithTermAtMost(message.hintIndex, message.hintTerm))
  }

  read(id: number): void {
    this.#addRead({ from: this.#server.config.id, id })
  }

  readRequested(from: NodeId, { id }: ReadRequest): void {
    this.#addRead({ from, id })
  }

  disconnected(peer: NodeId): void {
    this.#followers.get(peer)?.disconnected()
  }

  flush(): void {
    this.#advanceCommit()
    this.#confirmReads()
    if (this.#reads.begin(this.#server.log.commitIndex)) {
      this.#heartbeatDue = true
      this.#confirmReads()
    }
    for (const [peer, progress] of this.#followers) this.#update(peer, progress)
    this.#heartbeatDue = false
  }

  leave(): void {
    for (const read of this.#reads.takeAll()) this.#answerRead(read, undefined)
  }

  #hearsMajority(): boolean {
    const { now, config } = this.#server
    return reachedByMajority(this.#collect(now, heardAtOf)) > now - config.electionTicks
  }

  /** §3.6.2, figure 3.7: only an entry of its own term tells a leader what is committed. */
  #advanceCommit(): void {
    const { log, term } = this.#server
    const index = reachedByMajority(this.#collect(log.disk.persistedIndex, matchOf))
    if (index > log.commitIndex && log.termAt(index) === term) log.commitTo(index)
  }

  /** One figure per voter, this node's own first. */
  #collect(own: number, figureOf: (progress: Progress) => number): number[] {
    const figures = [own]
    for (const progress of this.#followers.values()) figures.push(figureOf(progress))
    return figures
  }

  /** Entries if there are any to send, else a heartbeat if due, else what is newly committed. */
  #update(peer: NodeId, progress: Progress): void {
    if (this.#sendEntries(peer, progress)) return
    if (this.#heartbeatDue) this.#sendAppend(peer, progress, progress.next - 1)
    else this.#tellCommit(peer, progress)
  }

  /** Never above what the follower is known to have. */
  #tellCommit(peer: NodeId, progress: Progress): void {
    const commit = Math.min(this.#server.log.commitIndex, progress.match)
    if (commit <= progress.told) return
    progress.told = commit
    this.#server.outbox.send(peer, { kind: 'commit', term: this.#server.term, commit })
  }

  #sendEntries(peer: NodeId, progress: Progress): boolean {
    const { log, config } = this.#server
    let sent = false
    while (progress.open && progress.next <= log.lastIndex) {
      const end = log.runEnd(progress.next, config.appendBytesMax)
      const nothingInFlight = progress.next === progress.match + 1
      if (!nothingInFlight && log.bytesBetween(progress.match, end) > config.inflightBytesMax) break
      this.#sendAppend(peer, progress, end)
      progress.sent(end)
      sent = true
    }
    return sent
  }

  /** Entries from `next` to `end`; none if `end` is just before `next`. */
  #sendAppend(peer: NodeId, progress: Progress, end: LogIndex): void {
    const { log, term, outbox } = this.#server
    const prevIndex = progress.next - 1
    const prevTerm = log.termAt(prevIndex)!
    const entries = log.slice(progress.next, end)
    const commit = log.commitIndex
    outbox.send(peer, {
      kind: 'append',
      term,
      prevIndex,
      prevTerm,
      entries,
      commit,
      round: this.#reads.newest,
    })
    progress.told = Math.max(progress.told, Math.min(commit, end))
  }

  #addRead(read: PendingRead): void {
    if (!this.serving || !this.#reads.add(read)) this.#answerRead(read, undefined)
  }

  #confirmReads(): void {
    const round = this.#reads.takeConfirmed(reachedByMajority(this.#collect(this.#reads.newest, roundOf)))
    for (const read of round?.reads ?? []) this.#answerRead(read, round?.index)
  }

  #answerRead({ from, id }: PendingRead, index: LogIndex | undefined): void {
    const { config, term, outbox } = this.#server
    if (from === config.id) outbox.answerRead(id, index)
    else outbox.send(from, { kind: 'read_result', term, id, index: index ?? 0 })
  }
}

function matchOf(progress: Progress): LogIndex {
  return progress.match
}

function roundOf(progress: Progress): number {
  return progress.round
}

function heardAtOf(progress: Progress): number {
  return progress.heardAt
}
