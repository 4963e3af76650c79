import type { NodeId } from '../../raft/index.js'
import type { IdentityStore } from '../replica/ports.js'
import type { PeerBook } from '../transport/index.js'

/**
 * Which disk each peer is on: by the log, or else as it was when it was first let in, which is written down before anything
 * is heard of it. The log has a member's disk only when all members have been connected once; until then this is what tells
 * an emptied disk from that of the node that made promises to this one (fault 17).
 */
export class KnownDisks {
  readonly #logged: PeerBook['disks']
  readonly #identity: IdentityStore
  /** Of members that are being written down. */
  readonly #saving = new Map<NodeId, Promise<void>>()

  constructor(logged: PeerBook['disks'], identity: IdentityStore) {
    this.#logged = logged
    this.#identity = identity
  }

  get(node: NodeId): number | undefined {
    return this.#logged.get(node) ?? this.#identity.facts.met.find(({ member }) => member === node)?.disk
  }

  /** A member is to be let in. Resolves when it will be known by this disk ever after; undefined if it is already. */
  meet(member: NodeId, disk: number): Promise<void> | undefined {
    if (disk === 0 || this.get(member) !== undefined) return this.#saving.get(member)
    const { facts } = this.#identity
    const saved = this.#identity.save({ ...facts, met: [...facts.met, { member, disk }] })
    const done = saved.then(() => void this.#saving.delete(member))
    this.#saving.set(member, done)
    return done
  }
}
