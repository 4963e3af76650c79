import type { FollowerProgress, IgnoredReason, Request } from './io.js'
import { isJoint, isSane, membersOf, settled, towards } from './membership.js'
import type { AppendResult, ReadRequest } from './message.js'
import type { Progress } from './progress.js'
import { type PendingRead, ReadRounds } from './reads.js'
import { Replication } from './replication.js'
import type { RoleState, Turn } from './role.js'
import type { Server } from './server.js'
import type { Configuration, LogIndex, NodeId } from './types.js'

const NO_OP = new Uint8Array(0)

type Reconfigure = Extract<Request, { kind: 'reconfigure' }>
type TransferRequest = Extract<Request, { kind: 'transfer' }>

interface Transfer {
  readonly request: TransferRequest
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
    server.recognize(server.config.id)
    this.#append(NO_OP)
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
      this.#giveUpTransfer(this.#transfer)
    if (++this.#ticksSinceHeartbeat >= config.heartbeatTicks) {
      this.#ticksSinceHeartbeat = 0
      this.#heartbeatDue = true
    }
    return 'stay'
  }

  /** Does as requested, or returns why not. */
  take(request: Request): IgnoredReason | undefined {
    if (this.transferring) return 'transferring'
    switch (request.kind) {
      case 'propose':
        return this.#append(request.payload)
      case 'reconfigure':
        return this.#reconfigure(request)
      case 'transfer':
        return this.#beginTransfer(request)
    }
  }

  #append(payload: Uint8Array): undefined {
    const { log, term } = this.#server
    log.append({ index: log.lastIndex + 1, term, payload })
  }

  /**
   * One change at a time, and none before an entry of this term is committed: or two leaders could each have a majority
   * that the other's doesn't meet (§4.1, and Ongaro's correction of 2015).
   */
  #reconfigure({ target, payload }: Reconfigure): IgnoredReason | undefined {
    const { configuration, configurationCommitted } = this.#server
    if (!this.serving) return 'not_serving'
    if (!configurationCommitted || isJoint(configuration)) return 'changing'
    if (!isSane({ ...target, outgoing: [] })) return 'invalid'
    this.#appendConfig(towards(configuration, target), payload)
    return undefined
  }

  #beginTransfer(request: TransferRequest): IgnoredReason | undefined {
    const { configuration, config, now } = this.#server
    if (request.to === config.id || !configuration.voters.includes(request.to)) return 'invalid'
    this.#transfer = { request, since: now, asked: false }
    return undefined
  }

  appendAnswered(from: NodeId, message: AppendResult): void {
    const { log, now, outbox } = this.#server
    const progress = this.#replication.followers.get(from)
    if (progress === undefined) return
    const { accepted, index, round } = message
    if (index > log.lastIndex || round > this.#reads.newest) {
      const sent = `up to entry ${log.lastIndex} and round ${this.#reads.newest}`
      const claim = `it answers entry ${index} and round ${round}, and was sent ${sent}`
      // Versions before feature level 4 refuse appends of a past term in words of that term.
      if (accepted) outbox.violated(from, 'unsent', claim)
      return
    }
    progress.heardAt = now
    progress.round = Math.max(progress.round, round)
    if (accepted) progress.accepted(index)
    else progress.refused(index, log.lastWithTermAtMost(message.hintIndex, message.hintTerm))
  }

  read(id: number): void {
    this.#addRead({ from: this.#server.config.id, id })
  }

  readRequested(from: NodeId, { id }: ReadRequest): void {
    this.#addRead({ from, id })
  }

  disconnected(peer: NodeId): void {
    this.#replication.followers.get(peer)?.disconnected()
    if (this.#transfer?.request.to === peer) this.#giveUpTransfer(this.#transfer)
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
    return this.#server.configurationCommitted && !this.#server.mayBeVoter
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
    const { to } = transfer.request
    if (this.#replication.followers.get(to)!.match < this.#server.log.lastIndex) return
    transfer.asked = true
    this.#timeOut(to)
  }

  #giveUpTransfer({ request }: Transfer): void {
    this.#transfer = undefined
    this.#server.outbox.ignore(request, 'transfer_failed')
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
