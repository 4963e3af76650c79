import { isVoter, membersOf, NOBODY, type NodeId, type Status } from '../../raft/index.js'
import type { Machine } from '../machine/machine.js'
import type { PeerBook } from '../transport/index.js'

/** 'host:port' each. */
export interface Addresses {
  /** For the other nodes. */
  readonly peer: string
  readonly client: string
}

export interface Member extends Addresses {
  readonly id: NodeId
  /** Otherwise it is a learner, which gets the log and has no vote. */
  readonly isVoter: boolean
}

/** What a directory is made from. */
export interface DirectorySources {
  readonly status: Status
  readonly machine: Machine
}

/** Before anybody has said where a member is. */
const NOWHERE: Addresses = { peer: '', client: '' }

/**
 * Who the members are and where: Raft knows who, the machine where. Until it does, what was known at the
 * start has to do: the configuration file, and what the log says that may not be committed.
 */
export class Directory {
  readonly #self: NodeId
  readonly #first: ReadonlyMap<NodeId, Addresses>
  readonly #sources: DirectorySources
  #seen: readonly unknown[] = []
  #peers: ReadonlySet<NodeId> = new Set()

  /** `first`: what was known at the start; the last word on a member counts. */
  constructor(
    self: NodeId,
    first: readonly (Addresses & { readonly id: NodeId })[],
    sources: DirectorySources,
  ) {
    this.#self = self
    this.#first = new Map(first.map(({ id, peer, client }) => [id, { peer, client }]))
    this.#sources = sources
  }

  /** Whether this node is one of them, as far as it knows. The last to know is who has been removed. */
  get isMember(): boolean {
    return this.#peers.has(this.#self)
  }

  /** Returns whether there is news since the last call. */
  refresh(): boolean {
    const { machine, status } = this.#sources
    const { members, disks, level } = machine
    const { configIndex, configCommitted } = status
    const { number } = machine.incarnation
    const now = [machine, members.revision, disks.revision, level, number, configIndex, configCommitted]
    if (now.every((figure, k) => figure === this.#seen[k])) return false
    this.#seen = now
    // Until a change is committed, those whom it lets go are still needed: for its majorities, and if it is taken back.
    const before = status.configCommitted ? [] : this.#peers
    this.#peers = new Set([...before, ...membersOf(status.config)])
    return true
  }

  /** In the order of their ids. An address that is not known is ''. */
  members(): Member[] {
    const { config } = this.#sources.status
    const ids = membersOf(config).sort((a, b) => a - b)
    return ids.map((id) => ({ id, ...this.addressesOf(id), isVoter: isVoter(config, id) }))
  }

  addressesOf(id: NodeId): Addresses {
    const { peer, client } = this.#sources.machine.members.get(id) ?? this.#first.get(id) ?? NOWHERE
    return { peer, client }
  }

  /** Whom to exchange messages with, and where, as of the last `refresh`; '' if that is not known. */
  peers(): ReadonlyMap<NodeId, string> {
    return new Map([...this.#peers].map((id) => [id, this.addressesOf(id).peer]))
  }

  /** By what peers are found and judged, but for what is known of their disks and of their cluster's incarnation. */
  book(): Omit<PeerBook, 'disks' | 'kept' | 'incarnation'> {
    const { machine, status } = this.#sources
    return {
      addresses: this.peers(),
      configIndex: status.configIndex,
      isLed: status.leader !== NOBODY,
      level: machine.level,
    }
  }
}
