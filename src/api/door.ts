import { LIMITS } from '../machine/language/limits.js'
import type { Member } from '../membership/directory.js'
import type { Topology } from '../protocol/lockkeeper.js'
import { AttachedStream, type StreamSurroundings, type Wire } from './attached-stream.js'
import { NodeBuffer } from './buffered-bytes.js'
import type { DoorParts } from './door-parts.js'
import { topologyFrame } from './outgoing.js'
import { Refusal } from './refusal.js'

/**
 * The door of one node, whatever the wire: who is attached or waits for the answer to a call, and what they are told of
 * the cluster. It decides nothing about locks.
 */
export class Door {
  readonly #surroundings: StreamSurroundings
  readonly #streams = new Set<AttachedStream>()
  /** How to refuse each call under way. */
  readonly #calls = new Set<(refusal: Refusal) => void>()
  #stopping = false
  #onDeserted: () => void = () => undefined

  constructor(readonly parts: DoorParts) {
    const topology = (): Topology => this.#routes()
    this.#surroundings = { parts, topology, incoming: new NodeBuffer(), outgoing: new NodeBuffer() }
  }

  /** A unary call begins to wait; `refuse` ends that if the node stops. Returns how to say that it is over. @throws Refusal */
  enter(refuse: (refusal: Refusal) => void): () => void {
    const turnedAway = this.#turnedAway()
    if (turnedAway !== undefined) throw turnedAway
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
    const stream = new AttachedStream(this.#surroundings, wire, () => {
      this.#streams.delete(stream)
      if (this.#streams.size === 0) this.#onDeserted()
    })
    this.#streams.add(stream)
    const turnedAway = this.#turnedAway()
    if (turnedAway !== undefined) stream.refuse(turnedAway)
    else if (this.#streams.size > LIMITS.streamsMax) {
      stream.refuse(
        new Refusal('BUSY', `this node serves ${LIMITS.streamsMax} streams already; try another node`),
      )
    }
    return stream
  }

  topology(): Topology {
    return this.#topologyOf(this.parts.directory.members())
  }

  /**
   * Where clients may go by themselves. Voters have shown that they have the log; behind the address of a learner there may be
   * anything, be it a cluster of its own that somebody has started there by mistake.
   */
  #routes(): Topology {
    return this.#topologyOf(this.parts.directory.members().filter(({ isVoter }) => isVoter))
  }

  #topologyOf(members: readonly Member[]): Topology {
    const { nodeId, replica, connected } = this.parts
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
    const frame = topologyFrame(this.#routes())
    for (const stream of this.#streams) stream.tell(frame)
  }

  /** The members are others now, or elsewhere. A node that is none of them any more sends its clients away. */
  onMembers(): void {
    this.onStatus()
    const { clock, directory } = this.parts
    // Who asked for what has just been done is answered first: that takes a promise, and so the end of this turn.
    clock.after(0, () => {
      if (!directory.isMember) this.#sendAway(noMemberRefusal(this.parts.nodeId))
    })
  }

  /** This node leapt ahead: what its clients wait for may have come to pass unseen, so all of them ask again. */
  onRestored(): void {
    this.#sendAway(new Refusal('BUSY', 'this node has been away and caught up; repeat the request'))
  }

  /** Resolves when all streams have left by themselves, as clients do when another node leads; or after this long. */
  deserted(withinMs: number): Promise<void> {
    if (this.#streams.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.parts.clock.after(withinMs, resolve)
      this.#onDeserted = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  /** Sends everybody to another node. */
  stop(): void {
    this.#stopping = true
    this.#sendAway(stoppingRefusal())
  }

  #turnedAway(): Refusal | undefined {
    if (this.#stopping) return stoppingRefusal()
    const { directory, nodeId } = this.parts
    return directory.isMember ? undefined : noMemberRefusal(nodeId)
  }

  #sendAway(refusal: Refusal): void {
    // Streams are over at once, and are told so in slices.
    for (const stream of this.#streams) stream.refuse(refusal)
    this.parts.workQueue.addEach(this, [...this.#calls], (refuse) => {
      if (this.#calls.has(refuse)) refuse(refusal)
    })
  }
}

function stoppingRefusal(): Refusal {
  return new Refusal('STOPPING', 'this node is stopping; repeat the request at another node')
}

function noMemberRefusal(node: number): Refusal {
  const message = `node ${node} is no member of the cluster, as far as it knows; repeat the request at another node`
  return new Refusal('NO_LEADER', message)
}
