import { reached, votersOf } from './membership.js'
import type { Vote } from './message.js'
import type { RoleState, Turn } from './role.js'
import type { Server } from './server.js'
import { NOBODY, type NodeId } from './types.js'

/**
 * After a split vote the candidates part again within this share of an election timeout, since nobody leads meanwhile. On
 * fast disks that is several times what an election takes. Five voters on disks of 50 ms and more collide more often for it.
 */
const CONTESTED_SHARE = 1 / 4

/**
 * Asks for votes (§3.4), first in rehearsal (§9.6): `pre` asks whether a majority *would* vote for this node, without
 * entering the next term, so that a node that can't win doesn't disturb those that get along without it.
 */
export class Candidate implements RoleState {
  readonly kind = 'candidate'
  readonly leader = NOBODY
  readonly loyal = false
  readonly #server: Server
  readonly #granted = new Set<NodeId>()
  readonly #refused = new Set<NodeId>()
  #patience: number
  #ticksSinceAsked = 0

  constructor(
    server: Server,
    readonly purpose: 'rehearse' | 'campaign' | 'take_over',
  ) {
    this.#server = server
    this.#patience = server.electionTimeout()
  }

  get pre(): boolean {
    return this.purpose === 'rehearse'
  }

  /**
   * Asks those who haven't answered. A rehearsal asks everybody anew, and counts anew: answers grow old, since a peer
   * may find or lose its leader at any time.
   */
  ask(): Turn {
    const { config, configuration } = this.#server
    this.#ticksSinceAsked = 0
    if (this.pre) this.#granted.clear()
    for (const voter of votersOf(configuration)) {
      if (voter !== config.id && !this.#granted.has(voter) && !this.#refused.has(voter)) this.#request(voter)
    }
    return this.tally()
  }

  /** A peer's answer; only grants matter to a rehearsal. */
  answered(voter: NodeId, granted: boolean): Turn {
    if (granted) this.#granted.add(voter)
    else if (!this.pre) this.#contested(voter)
    return this.tally()
  }

  /** Counts the votes; the own one only once it is on disk, or a restart could give it to another (§3.8). */
  tally(): Turn {
    const { config, configuration } = this.#server
    const ownCounts = this.pre || this.#server.hardStatePersisted
    const votes = (id: NodeId) => (id === config.id ? ownCounts : this.#granted.has(id))
    if (reached(configuration, (id) => (votes(id) ? 1 : 0)) === 0) return 'stay'
    return this.pre ? 'campaign' : 'lead'
  }

  tick(): Turn {
    if (this.#server.diskStalled()) return 'follow'
    if (!this.pre && --this.#patience <= 0) return this.#server.mayStand ? 'rehearse' : 'follow'
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
      const { electionTicks } = this.#server.config
      const pause = 1 + this.#server.randomBelow(Math.ceil(electionTicks * CONTESTED_SHARE))
      this.#patience = Math.min(this.#patience, pause)
    }
    this.#refused.add(voter)
  }

  #request(peer: NodeId): void {
    const { term, log, outbox } = this.#server
    const { lastIndex, lastTerm } = log
    const transfer = this.purpose === 'take_over'
    const asked = this.pre ? term + 1 : term
    const vote: Vote = { kind: 'vote', term: asked, pre: this.pre, transfer, lastIndex, lastTerm }
    if (this.pre) outbox.send(peer, vote)
    else outbox.sendAfterWrite(peer, vote)
  }
}
