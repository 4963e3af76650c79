import type { Logger } from 'pino'
import type { Attachments } from '../attachments/attachments.js'
import { LIMITS } from '../machine/limits.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Topology } from '../protocol/lockkeeper.js'
import type { Clock } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'
import { AttachedStream, type Wire } from './attached-stream.js'
import { Refusal } from './refusal.js'

/** A member of the cluster as the configuration has it. Addresses are 'host:port'. */
export interface Member {
  readonly id: number
  readonly client: string
  readonly peer: string
}

export interface DoorParts {
  readonly clusterId: string
  readonly nodeId: number
  readonly version: string
  readonly members: readonly Member[]
  readonly replica: Replica
  readonly proposals: Proposals
  readonly attachments: Attachments
  readonly clock: Clock
  /** Peers with a live stream. */
  readonly connected: () => ReadonlySet<number>
  readonly logger: Logger
}

/**
 * The door of one node, whatever the wire: who is attached or waits for the answer to a call, and what they are told of
 * the cluster. It decides nothing about locks.
 */
export class Door {
  readonly #streams = new Set<AttachedStream>()
  /** How to refuse each call under way. */
  readonly #calls = new Set<(refusal: Refusal) => void>()
  #stopping = false

  constructor(readonly parts: DoorParts) {}

  /** A unary call begins to wait; `refuse` ends that if the node stops. Returns how to say that it is over. @throws Refusal */
  enter(refuse: (refusal: Refusal) => void): () => void {
    if (this.#stopping) throw stoppingRefusal()
    if (this.#calls.size >= LIMITS.callsMax) {
      throw new Refusal(
        'BUSY',
        `${LIMITS.callsMax} calls are under way here; repeat this one later, or elsewhere`,
      )
    }
    this.#calls.add(refuse)
    return () => this.#calls.delete(refuse)
  }

  /** A client has opened a stream; what it sends goes to the result. `wire.end` may be called from within. */
  attach(wire: Wire): AttachedStream {
    const stream = new AttachedStream(this, wire, () => this.#streams.delete(stream))
    this.#streams.add(stream)
    if (this.#stopping) stream.refuse(stoppingRefusal())
    else if (this.#streams.size > LIMITS.streamsMax) {
      stream.refuse(
        new Refusal('BUSY', `this node serves ${LIMITS.streamsMax} streams already; try another node`),
      )
    }
    return stream
  }

  topology(): Topology {
    const { members, nodeId, replica, connected } = this.parts
    const peers = connected()
    return {
      leader: replica.status.leader,
      members: members.map(({ id, client, peer }) => ({
        id,
        clientAddress: client,
        peerAddress: peer,
        connected: id === nodeId || peers.has(id),
      })),
    }
  }

  /** The leader is another one, or ready now. */
  onStatus(): void {
    if (this.#streams.size === 0) return
    const topology = this.topology()
    for (const stream of this.#streams) stream.tell(topology)
  }

  /** This node leapt ahead: what its clients wait for may have come to pass unseen, so all of them ask again. */
  onRestored(): void {
    this.#sendAway(new Refusal('BUSY', 'this node has been away and caught up; repeat the request'))
  }

  /** Sends everybody to another node. */
  stop(): void {
    this.#stopping = true
    this.#sendAway(stoppingRefusal())
  }

  #sendAway(refusal: Refusal): void {
    for (const stream of [...this.#streams]) stream.refuse(refusal)
    for (const refuse of [...this.#calls]) refuse(refusal)
  }
}

function stoppingRefusal(): Refusal {
  return new Refusal('STOPPING', 'this node is stopping; repeat the request at another node')
}
