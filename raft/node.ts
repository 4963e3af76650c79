import { assert } from './assert.js'
import { Candidate } from './candidate.js'
import { checkConfig, type RaftConfig } from './config.js'
import { Follower } from './follower.js'
import { checkState, checkTransition, type NodeView } from './invariants.js'
import type { FollowerProgress, Input, Output, Request, Status } from './io.js'
import { Leader } from './leader.js'
import type { Recovered } from './log.js'
import { isNodeId } from './membership.js'
import { type Append, isAnswer, isLeaders, type Message, type Vote, type VoteResult } from './message.js'
import type { Turn } from './role.js'
import { Server } from './server.js'
import {
  type Entry,
  type LogIndex,
  type LogStart,
  NOBODY,
  type NodeId,
  TERM_MAX,
  type Term,
} from './types.js'
import { isWellFormed } from './wellformed.js'

/** How many leaps it takes to use up most of the terms there are: see "A peer that breaks the protocol" in README.md. */
const TERM_LEAPS = 2 ** 16

/**
 * One server of a Raft cluster: inputs in, effects out, nothing else. It keeps no clock and does no I/O; two nodes
 * given the same inputs and the same `random` do the same. Throws `InvariantError` if it finds itself broken.
 */
export class RaftNode {
  readonly #server: Server
  #role: Follower | Candidate | Leader
  #view: NodeView

  constructor(config: RaftConfig, recovered: Recovered, random: () => number) {
    checkConfig(config)
    this.#server = new Server(config, recovered, random)
    this.#role = new Follower(this.#server)
    this.#view = this.#look()
    checkState(this.#view)
  }

  /** Takes a batch of inputs in order, and says what they come to. Perform every output, in the order of the steps. */
  step(inputs: readonly Input[]): Output {
    for (const input of inputs) this.#take(input)
    this.#role.flush()
    this.#check()
    const effects = this.#server.outbox.take()
    const write = this.#server.takeWrite()
    const committed = this.#server.log.takeCommitted()
    return { write, ...effects, committed, status: this.status() }
  }

  status(): Status {
    const { config, term, log, configurationCommitted } = this.#server
    const newest = log.configurations.newest
    return {
      id: config.id,
      role: this.#role.kind,
      term,
      leader: this.#role.leader,
      lastIndex: log.lastIndex,
      commitIndex: log.commitIndex,
      serving: this.#role.kind === 'leader' && this.#role.serving,
      config: newest.config,
      configIndex: newest.index,
      configCommitted: configurationCommitted,
      transferring: this.#role.kind === 'leader' && this.#role.transferring,
    }
  }

  /** The followers as this leader sees them; none if it doesn't lead. */
  progress(): readonly FollowerProgress[] {
    return this.#role.kind === 'leader' ? this.#role.progress() : []
  }

  /**
   * How a log begins behind `index`: what a checkpoint of the machine there has to bear. The index is that of an entry in
   * this log, or where it starts.
   */
  startAt(index: LogIndex): LogStart {
    return this.#server.log.startAt(index)
  }

  /**
   * The last entry that may go if so many bytes of the log up to `index` are to stay; where the log starts if it has fewer.
   */
  lastBefore(index: LogIndex, bytes: number): LogIndex {
    return this.#server.log.lastBefore(index, bytes)
  }

  /** Whether a peer's checkpoint that ends at `start` may be put in place of this log, and `restored` be reported. */
  wants(start: LogStart): boolean {
    return this.#role.kind !== 'leader' && start.term <= this.#server.term && this.#server.log.lacks(start)
  }

  /** As of the last step, for the checks in `invariants.ts`. */
  view(): NodeView {
    return this.#view
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'tick':
        this.#server.now++
        this.#turn(this.#role.tick())
        break
      case 'message':
        this.#receive(input.from, input.message)
        break
      case 'read':
        this.#role.read(input.id)
        break
      case 'written':
        this.#server.log.disk.written(input.write)
        if (this.#role.kind === 'candidate') this.#turn(this.#role.tally())
        break
      case 'disconnected':
        this.#role.disconnected(input.peer)
        break
      case 'compact':
        this.#server.log.compact(input.index)
        break
      case 'restored':
        this.#restored(input.start)
        break
      case 'snapshot_ended':
        if (this.#role.kind === 'leader') this.#role.snapshotEnded(input.peer)
        break
      case 'propose':
      case 'reconfigure':
      case 'transfer':
        this.#request(input)
        break
    }
  }

  #request(request: Request): void {
    const ignored = this.#role.kind === 'leader' ? this.#role.take(request) : 'not_leader'
    if (ignored !== undefined) this.#server.outbox.ignore(request, ignored)
  }

  /**
   * The one gate where terms are compared (§3.3). Behind it, every message is of the current term, except for
   * votes and rehearsals, which have their own rules. Senders need not be members as far as this node knows: its
   * log may be behind (§4.1). But a leader doesn't step down for the late answers of those it doesn't lead any more.
   */
  #receive(from: NodeId, message: Message): void {
    const { config, outbox, term } = this.#server
    if (!isNodeId(from) || from === config.id) return
    if (!isWellFormed(message)) return outbox.violated(from, 'malformed', 'its message makes no sense')
    if (isAnswer(message) && this.#role.kind === 'leader' && !this.#role.leads(from)) return
    if (message.kind === 'vote') this.#answerVote(from, message)
    else if (message.kind === 'vote_result' && message.pre) this.#rehearsed(from, message)
    else if (message.term < term) this.#answerStale(from, message)
    else if (isLeaders(message) && !this.#mayLead(from, message.term)) this.#reportLeader(from)
    else if (message.kind === 'append' && this.#contradicts(message)) this.#reportConflict(from, message)
    else if (message.term === term || this.#follow(from, message.term)) this.#dispatch(from, message)
  }

  #mayLead(peer: NodeId, term: Term): boolean {
    const { term: current, termLeader } = this.#server
    return term > current || termLeader === NOBODY || termLeader === peer
  }

  /** Its leader has all that is committed here (§3.6.3), and all that it has sent in this term. */
  #contradicts(message: Append): boolean {
    const { log, term } = this.#server
    const match = this.#role.kind === 'follower' && message.term === term ? this.#role.match : 0
    return log.contradicts(message, Math.max(log.commitIndex, match))
  }

  #reportLeader(from: NodeId): void {
    const { outbox, term, termLeader } = this.#server
    outbox.violated(from, 'second_leader', `it leads in term ${term}, and so does node ${termLeader}`)
  }

  #reportConflict(from: NodeId, { term, prevIndex, entries }: Append): void {
    const { outbox, log } = this.#server
    const range = `entries ${prevIndex} to ${prevIndex + entries.length}`
    const known = `what it sent before, or what is committed here up to ${log.commitIndex}`
    outbox.violated(
      from,
      'conflict',
      `as the leader of term ${term} it sends ${range}, which contradict ${known}`,
    )
  }

  /**
   * Enters a peer's later term (§3.3), and returns true. If it is later than elections can have brought, one message must
   * not use up the terms there are: this node goes part of the way, so that nobody is left behind for good.
   */
  #follow(from: NodeId, term: Term): boolean {
    const { term: before, outbox } = this.#server
    const latest = before + Math.ceil((TERM_MAX - before) / TERM_LEAPS)
    this.#enterTerm(Math.min(term, latest))
    if (term <= latest) return true
    outbox.violated(from, 'term_leap', `it is in term ${term}, and this node was in term ${before}`)
    return false
  }

  #dispatch(from: NodeId, message: Exclude<Message, Vote>): void {
    const role = this.#role
    switch (message.kind) {
      case 'append':
        this.#followerOf(from).append(from, message)
        break
      case 'commit':
        this.#followerOf(from).commit(from, message)
        break
      case 'append_result':
        if (role.kind === 'leader') role.appendAnswered(from, message)
        break
      case 'vote_result':
        if (role.kind === 'candidate' && !role.pre) this.#turn(role.answered(from, message.granted))
        break
      case 'read':
        if (role.kind === 'leader') role.readRequested(from, message)
        else this.#refuseRead(from, message.id)
        break
      case 'read_result':
        if (role.kind === 'follower') role.readAnswered(message)
        break
      case 'timeout_now':
        this.#turn(this.#followerOf(from).timeoutNow(from))
        break
    }
  }

  /** An append of the current term proves that its sender won the election, so a candidate lost it (§3.4). */
  #followerOf(leader: NodeId): Follower {
    this.#server.recognize(leader)
    if (this.#role.kind === 'follower') return this.#role
    const follower = new Follower(this.#server)
    this.#become(follower)
    return follower
  }

  #answerVote(from: NodeId, message: Vote): void {
    if (message.pre) this.#answerPreVote(from, message)
    else this.#considerVote(from, message)
  }

  /** §9.6: says what a vote would get. Changes nothing here, so it may go out before any write. */
  #answerPreVote(from: NodeId, { term, lastIndex, lastTerm }: Vote): void {
    const { log, outbox } = this.#server
    const granted = term > this.#server.term && !this.#role.loyal && log.isUpToDate(lastIndex, lastTerm)
    outbox.send(from, { kind: 'vote_result', term: granted ? term : this.#server.term, pre: true, granted })
  }

  /** RequestVote (§3.4). While a leader is alive, a candidate of a later term is not even heard (§4.2.3). */
  #considerVote(from: NodeId, message: Vote): void {
    const server = this.#server
    if (message.term > server.term) {
      if (this.#role.loyal && !message.transfer) return
      if (!this.#follow(from, message.term)) return
    }
    const granted = message.term === server.term && this.#mayVoteFor(from, message)
    if (granted) this.#castVote(from)
    server.outbox.sendAfterWrite(from, { kind: 'vote_result', term: server.term, pre: false, granted })
  }

  #mayVoteFor(candidate: NodeId, { lastIndex, lastTerm }: Vote): boolean {
    const { vote, log } = this.#server
    return (vote === NOBODY || vote === candidate) && !this.#role.loyal && log.isUpToDate(lastIndex, lastTerm)
  }

  #castVote(candidate: NodeId): void {
    this.#server.castVote(candidate)
    if (this.#role.kind === 'follower') this.#role.voted()
  }

  /** A grant echoes the term rehearsed, which nobody is in yet; only a refusal can bring news of a later term. */
  #rehearsed(from: NodeId, { term, granted }: VoteResult): void {
    const role = this.#role
    const rehearsing = role.kind === 'candidate' && role.pre && term === this.#server.term + 1
    if (granted && rehearsing) this.#turn(role.answered(from, true))
    if (!granted && term > this.#server.term) this.#follow(from, term)
  }

  /** Old news. Those who still act on an old term must hear of the new one, or they would wait in vain. */
  #answerStale(from: NodeId, message: Message): void {
    if (message.kind === 'read') this.#refuseRead(from, message.id)
    if (message.kind === 'append') this.#refuseAppend(from)
  }

  /**
   * It bears the term and nothing else: its receiver may lead that very term by now, and must not take a round of its past
   * for one that it is waiting for.
   */
  #refuseAppend(from: NodeId): void {
    const { term, outbox } = this.#server
    const refusal = { term, accepted: false, index: 0, hintIndex: 0, hintTerm: 0, round: 0 }
    outbox.sendAfterWrite(from, { kind: 'append_result', ...refusal })
  }

  #refuseRead(from: NodeId, id: number): void {
    this.#server.outbox.send(from, { kind: 'read_result', term: this.#server.term, id, index: 0 })
  }

  #restored(start: LogStart): void {
    const { log, term } = this.#server
    assert(this.wants(start), 'only a checkpoint that brings news is put in place of the log', {
      start,
      term,
      commit: log.commitIndex,
    })
    const follower = this.#role.kind === 'follower' ? this.#role : new Follower(this.#server)
    if (follower !== this.#role) this.#become(follower)
    log.restore(start)
    follower.restored()
  }

  #enterTerm(term: Term): void {
    this.#role.leave()
    this.#server.enterTerm(term, NOBODY)
    this.#role = new Follower(this.#server)
  }

  #turn(turn: Turn): void {
    switch (turn) {
      case 'stay':
        break
      case 'follow':
        this.#become(new Follower(this.#server))
        break
      case 'rehearse':
        this.#stand(turn)
        break
      case 'campaign':
      case 'take_over':
        this.#server.enterTerm(this.#server.term + 1, this.#server.config.id)
        this.#stand(turn)
        break
      case 'lead':
        this.#become(new Leader(this.#server))
        break
    }
  }

  #stand(purpose: Candidate['purpose']): void {
    const candidate = new Candidate(this.#server, purpose)
    this.#become(candidate)
    this.#turn(candidate.ask())
  }

  #become(role: Follower | Candidate | Leader): void {
    this.#role.leave()
    this.#role = role
  }

  #check(): void {
    const before = this.#view
    this.#view = this.#look()
    checkState(this.#view)
    checkTransition(before, this.#view)
  }

  #look(): NodeView {
    const { config, term, vote, log } = this.#server
    return {
      id: config.id,
      role: this.#role.kind,
      term,
      vote,
      leader: this.#role.leader,
      start: log.start,
      configIndex: log.configurations.newest.index,
      config: log.configurations.newest.config,
      commitIndex: log.commitIndex,
      persistedIndex: log.disk.persistedIndex,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      entryAt: this.#entryAt,
    }
  }

  readonly #entryAt = (index: LogIndex): Entry | undefined => this.#server.log.entryAt(index)
}
