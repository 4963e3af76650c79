import type { RaftConfig } from './config.js'
import type { Write } from './io.js'
import { Log } from './log.js'
import { Outbox } from './outbox.js'
import { type Entry, type HardState, NOBODY, type NodeId, type Term } from './types.js'

/** What survived on this server's disk. `entries` start at index 1, without a hole. */
export interface Recovered {
  readonly hardState: HardState
  readonly entries: readonly Entry[]
}

/** What a server has in every role (figure 3.1): term, vote, log, a clock of ticks, and the effects of this step. */
export class Server {
  /** The other voters. */
  readonly peers: readonly NodeId[]
  readonly log: Log
  readonly outbox = new Outbox()
  /** Ticks since this process began. */
  now = 0
  #hardState: HardState
  #hardStateChanged = false
  #newestRequest: number

  constructor(
    readonly config: RaftConfig,
    recovered: Recovered,
    /** In [0, 1). */
    readonly random: () => number,
  ) {
    this.peers = config.voters.filter((voter) => voter !== config.id)
    this.log = new Log(recovered.entries)
    this.#hardState = recovered.hardState
    this.#newestRequest = this.randomBelow(2 ** 48)
  }

  get term(): Term {
    return this.#hardState.term
  }

  get vote(): NodeId {
    return this.#hardState.vote
  }

  enterTerm(term: Term, vote: NodeId): void {
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

  /** Ticks of silence after which to campaign (§3.4). Alone, there is nobody to wait for. */
  electionTimeout(): number {
    if (this.peers.length === 0) return 1
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
