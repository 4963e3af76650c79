import type { Vote } from './message.js'
import { majorityOf } from './quorum.js'
import type { RoleState, Turn } from './role.js'
import type { Server } from './server.js'
import { NOBODY, type NodeId } from './types.js'

/**
 * Asks for votes (§3.4), first in rehearsal (§9.6): `pre` asks whether a majority *would* vote for this node, without
 * entering the next term, so that a node that can't win doesn't disturb those that get along without it.
 */
export class Candidate implements RoleState {
  readonly kind = 'candidate'
  readonly leader = NOBODY
  readonly loyal = false
  readonly pre: boolean
  readonly #server: Server
  readonly #granted = new Set<NodeId>()
  readonly #refused = new Set<NodeId>()
  #patience: number
  #ticksSinceAsked = 0

  constructor(server: Server, pre: boolean) {
    this.pre = pre
    this.#server = server
    this.#patience = server.electionTimeout()
  }

  /**
   * Asks those who haven't answered. A rehearsal asks everybody anew, and counts anew: answers grow old, since a peer
   * may find or lose its leader at any time.
   */
  ask(): Turn {
    this.#ticksSinceAsked = 0
    if (this.pre) this.#granted.clear()
    for (const peer of this.#server.peers) {
      if (!this.#granted.has(peer) && !this.#refused.has(peer)) this.#request(peer)
    }
    return this.answered(this.#server.config.id, true)
  }

  /** A peer's answer; only grants matter to a rehearsal. */
  answered(voter: NodeId, granted: boolean): Turn {
    if (granted) this.#granted.add(voter)
    else if (!this.pre) this.#contested(voter)
    if (this.#granted.size < majorityOf(this.#server.config.voters.length)) return 'stay'
    return this.pre ? 'campaign' : 'lead'
  }

  tick(): Turn {
    if (this.#server.diskStalled()) return 'follow'
    if (!this.pre && --this.#patience <= 0) return 'rehearse'
    return ++this.#ticksSinceAsked < this.#server.config.heartbeatTicks ? 'stay' : this.ask()
  }

  read(id: number): void {
    this.#server.outbox.answerRead(id, undefined)
  }

  disconnected(): void {}

  flush(): void {}

  leave(): void {}

  /** A refusal means a rival: a split vote is likely, and should not cost a whole election timeout. */
  #contested(voter: NodeId): void {
    if (this.#refused.size === 0) {
      this.#patience = Math.min(
        this.#patience,
        1 + this.#server.randomBelow(this.#server.config.electionTicks),
      )
    }
    this.#refused.add(voter)
  }

  #request(peer: NodeId): void {
    const { term, log, outbox } = this.#server
    const { lastIndex, lastTerm } = log
    const vote: Vote = { kind: 'vote', term: this.pre ? term + 1 : term, pre: this.pre, lastIndex, lastTerm }
    if (this.pre) outbox.send(peer, vote)
    else outbox.sendAfterWrite(peer, vote)
  }
}
