import type { FollowerProgress } from './io.js'
import { isJoint, isSane, membersOf, settled, towards } from './membership.js'
import type { AppendResult, ReadRequest } from './message.js'
import type { Progress } from './progress.js'
import { type PendingRead, ReadRounds } from './reads.js'
import { Replication } from './replication.js'
import type { RoleState, Turn } from './role.js'
import type { Server } from './server.js'
import type { Configuration, LogIndex, Members, NodeId } from './types.js'

const NO_OP = new Uint8Array(0)

interface Transfer {
  readonly to: NodeId
  /** Tick at which it began. */
  readonly since: number
  asked: boolean
}

/** Orders entries, brings them to the followers, and decides what is committed (§3.5, §3.6) and who takes part (§4). */
export class Leader implements RoleState {
  readonly kind = 'leader'
  /** §4.2.3: as long as this node leads, a majority has been heard lately, and nobody needs another leader. */
  readonly loyal = true
  readonly #server: Server
  readonly #replication: Replication
  readonly #reads: ReadRounds
  readonly #noOpIndex: LogIndex
  #ticksSinceHeartbeat = 0
  /** Every follower is to be sent something at the end of this step, if only an empty append. */
  #heartbeatDue = false
  #transfer: Transfer | undefined
  /** The members as of this entry are committed, and what follows from it has been done. */
  #settledIndex: LogIndex = 0

  constructor(server: Server) {
    this.#server = server
    this.#reads = new ReadRounds(server.config.pendingReadsMax)
    this.#noOpIndex = server.log.lastIndex + 1
    this.#replication = new Replication(server)
    this.#replication.admit(membersOf(server.configuration))
    this.propose(NO_OP)
  }

  get leader(): NodeId {
    return this.#server.config.id
  }

  /** §6.4: until its no-op is committed, a leader doesn't know what is. */
  get serving(): boolean {
    return this.#server.log.commitIndex >= this.#noOpIndex
  }

  get transferring(): boolean {
    return this.#transfer !== undefined
  }

  progress(): FollowerProgress[] {
    return [...this.#replication.followers].map(([id, { match, inSnapshot }]) => ({
      id,
      match,
      snapshot: inSnapshot,
    }))
  }

  leads(peer: NodeId): boolean {
    return this.#replication.followers.has(peer)
  }

  tick(): Turn {
    const { now, config } = this.#server
    if (this.#server.diskStalled() || !this.#hearsMajority()) return 'follow'
    if (this.#dismissed) return this.#abdicate()
    if (this.#transfer !== undefined && now - this.#transfer.since >= config.electionTicks)
      this.#transfer = undefined
    if (++this.#ticksSinceHeartbeat >= config.heartbeatTicks) {
      this.#ticksSinceHeartbeat = 0
      this.#heartbeatDue = true
    }
    return 'stay'
  }

  propose(payload: Uint8Array): void {
    const { log, term } = this.#server
    if (!this.transferring) log.append({ index: log.lastIndex + 1, term, payload })
  }

  /**
   * One change at a time, and none before an entry of this term is committed: or two leaders could each have a majority
   * that the other's doesn't meet (§4.1, and Ongaro's correction of 2015).
   */
  reconfigure(target: Members, payload: Uint8Array): void {
    const { configuration, configurationCommitted } = this.#server
    if (!this.serving || !configurationCommitted || isJoint(configuration) || this.transferring) return
    if (isSane({ ...target, outgoing: [] })) this.#appendConfig(towards(configuration, target), payload)
  }

  transfer(to: NodeId): void {
    const { configuration, config, now } = this.#server
    if (this.transferring || to === config.id || !configuration.voters.includes(to)) return
    this.#transfer = { to, since: now, asked: false }
  }

  appendAnswered(from: NodeId, message: AppendResult): void {
    const { log, now } = this.#server
    const progress = this.#replication.followers.get(from)
    if (progress === undefined || message.index > log.lastIndex || message.round > this.#reads.newest) return
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
    this.#replication.followers.get(peer)?.disconnected()
    if (this.#transfer?.to === peer) this.#transfer = undefined
  }

  snapshotEnded(peer: NodeId): void {
    this.#replication.followers.get(peer)?.snapshotEnded()
  }

  flush(): void {
    this.#advanceCommit()
    this.#settleConfiguration()
    this.#confirmReads()
    if (this.#reads.begin(this.#server.log.commitIndex)) {
      this.#heartbeatDue = true
      this.#confirmReads()
    }
    this.#replication.update(this.#heartbeatDue, this.#reads.newest)
    this.#heartbeatDue = false
    this.#pursueTransfer()
  }

  leave(): void {
    for (const read of this.#reads.takeAll()) this.#answerRead(read, undefined)
  }

  #hearsMajority(): boolean {
    const { now, config } = this.#server
    return this.#replication.reached(now, heardAtOf) > now - config.electionTicks
  }

  /** §3.6.2, figure 3.7: only an entry of its own term tells a leader what is committed. */
  #advanceCommit(): void {
    const { log, term } = this.#server
    const index = this.#replication.reached(log.disk.persistedIndex, matchOf)
    if (index > log.commitIndex && log.termAt(index) === term) log.commitTo(index)
  }

  /** A joint configuration that is committed is left at once (§4.3); those who are no members any more are let go. */
  #settleConfiguration(): void {
    const { log, configuration, configurationCommitted } = this.#server
    const { index } = log.configurations.newest
    if (!this.serving || !configurationCommitted || index === this.#settledIndex) return
    this.#settledIndex = index
    if (isJoint(configuration))
      this.#appendConfig(settled(configuration), log.entryAt(index)?.payload ?? NO_OP)
    else this.#replication.dismissAllBut(membersOf(configuration), this.#reads.newest)
  }

  #appendConfig(config: Configuration, payload: Uint8Array): void {
    const { log, term } = this.#server
    this.#replication.admit(membersOf(config))
    log.append({ index: log.lastIndex + 1, term, payload, config })
  }

  /** §4.2.2: it has led its cluster to the end of a change that leaves it without a vote, and has told so. */
  get #dismissed(): boolean {
    return this.#server.configurationCommitted && !this.#server.mayStand
  }

  /** To whoever has most of the log: the others would only wait out an election timeout. */
  #abdicate(): Turn {
    let heir: NodeId | undefined
    let most = -1
    for (const id of this.#server.configuration.voters) {
      const { match } = this.#replication.followers.get(id)!
      if (match > most) [heir, most] = [id, match]
    }
    this.#timeOut(heir!)
    return 'follow'
  }

  #pursueTransfer(): void {
    const transfer = this.#transfer
    if (transfer === undefined || transfer.asked) return
    if (this.#replication.followers.get(transfer.to)!.match < this.#server.log.lastIndex) return
    transfer.asked = true
    this.#timeOut(transfer.to)
  }

  #timeOut(heir: NodeId): void {
    this.#server.outbox.send(heir, { kind: 'timeout_now', term: this.#server.term })
  }

  #addRead(read: PendingRead): void {
    if (!this.serving || !this.#reads.add(read)) this.#answerRead(read, undefined)
  }

  #confirmReads(): void {
    const round = this.#reads.takeConfirmed(this.#replication.reached(this.#reads.newest, roundOf))
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
