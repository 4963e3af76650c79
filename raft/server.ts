import { assert } from './assert.js'
import type { RaftConfig } from './config.js'
import type { Write } from './io.js'
import { Log, type Recovered } from './log.js'
import { isVoter, votersOf } from './membership.js'
import { Outbox } from './outbox.js'
import { type Configuration, type HardState, NOBODY, type NodeId, TERM_MAX, type Term } from './types.js'

/** What a server has in every role (figure 3.1): term, vote, log, a clock of ticks, and the effects of this step. */
export class Server {
  readonly log: Log
  readonly outbox = new Outbox()
  /** Ticks since this process began. */
  now = 0
  #hardState: HardState
  #hardStateChanged = false
  #newestRequest: number
  #termLeader: NodeId = NOBODY

  constructor(
    readonly config: RaftConfig,
    recovered: Recovered,
    /** In [0, 1). */
    readonly random: () => number,
  ) {
    this.log = new Log(recovered)
    this.#hardState = recovered.hardState
    this.#newestRequest = this.randomBelow(2 ** 48)
  }

  get term(): Term {
    return this.#hardState.term
  }

  get vote(): NodeId {
    return this.#hardState.vote
  }

  /** Who votes and who listens, as of the newest entry that says so. */
  get configuration(): Configuration {
    return this.log.configurations.newest.config
  }

  get configurationCommitted(): boolean {
    return this.log.configurations.newest.index <= this.log.commitIndex
  }

  /** Learners and strangers don't stand for election, and nobody in the last term there can be. */
  get mayStand(): boolean {
    return this.mayBeVoter && this.term < TERM_MAX
  }

  /**
   * Also of one who would lose its vote by an entry that may not be committed: it still stands, though without a vote
   * (§4.2.2), for it may be the only one whose log is good enough.
   */
  get mayBeVoter(): boolean {
    const { configurations, commitIndex } = this.log
    return configurations.since(commitIndex).some((config) => isVoter(config, this.config.id))
  }

  /** Whether the current term and vote would survive a crash. */
  get hardStatePersisted(): boolean {
    return !this.#hardStateChanged && this.log.disk.hardStatePersisted
  }

  /** Who leads or led in this term, as far as this process has heard. Nobody else may. */
  get termLeader(): NodeId {
    return this.#termLeader
  }

  recognize(leader: NodeId): void {
    const figures = { term: this.term, leaders: [this.#termLeader, leader] }
    assert(this.#termLeader === NOBODY || this.#termLeader === leader, 'one leader per term', figures)
    this.#termLeader = leader
  }

  enterTerm(term: Term, vote: NodeId): void {
    if (term !== this.term) this.#termLeader = NOBODY
    this.#hardState = { term, vote }
    this.#hardStateChanged = true
  }

  castVote(candidate: NodeId): void {
    if (this.vote === NOBODY) this.enterTerm(this.term, candidate)
  }

  /**
   * A number for a request to a peer. It starts at random because a peer's answer may outlive this process, and must
   * not pass for the answer to its successor's request.
   */
  nextRequest(): number {
    return ++this.#newestRequest
  }

  /** Nobody else votes, so there is no other leader to wait for. */
  get alone(): boolean {
    const voters = votersOf(this.configuration)
    return voters.length === 1 && voters[0] === this.config.id
  }

  /** Ticks of silence after which to campaign (§3.4). */
  electionTimeout(): number {
    return this.config.electionTicks + this.randomBelow(this.config.electionTicks)
  }

  /** An integer in [0, limit). */
  randomBelow(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  /** No word from the disk for longer than a leader may be silent: such a node must not lead. */
  diskStalled(): boolean {
    return this.log.disk.silence(this.now) > this.config.electionTicks
  }

  /** Everything of this step that must reach the disk, as one write. */
  takeWrite(): Write | undefined {
    const { log } = this
    const hardState = this.#hardStateChanged ? this.#hardState : undefined
    this.#hardStateChanged = false
    return log.disk.handOut(hardState, log.slice(log.disk.handedOutIndex + 1, log.lastIndex), this.now)
  }
}
