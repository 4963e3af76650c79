/**
 * Where the nodes of the cluster are reached. Who they are is Raft's to say; their addresses are here, so that every
 * node learns them by the log, from a checkpoint or from a snapshot, and can tell its clients.
 */
import type { Describe, Forget, Refused, Verdict } from './command.js'
import type { Ledger } from './ledger.js'
import { LIMITS } from './limits.js'
import type { Bookkeeping, MemberRecord } from './records.js'
import { limitReached } from './refusals.js'

export interface Member extends Bookkeeping {
  readonly kind: 'member'
  readonly id: number
  /** 'host:port' for the other nodes. */
  peer: string
  /** 'host:port' for clients. */
  client: string
}

const DESCRIBED: Verdict = { kind: 'described' }
const FORGOTTEN: Verdict = { kind: 'forgotten' }

export class Members {
  readonly #ledger: Ledger
  readonly #byId = new Map<number, Member>()

  /** Counts the changes, so that who looks again and again sees whether there is news. */
  revision = 0

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  get(id: number): Member | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Member> {
    return this.#byId.values()
  }

  /** Repeated, it changes nothing; with other addresses, it replaces them. */
  describe({ node, peer, client }: Describe): Verdict {
    const known = this.#byId.get(node)
    if (known?.peer === peer && known.client === client) return DESCRIBED
    const noRoom = this.#checkRoom(known)
    if (noRoom !== undefined) return noRoom
    this.revision++
    const member = known ?? this.#add({ id: node, peer, client })
    this.#ledger.touch(member)
    member.peer = peer
    member.client = client
    return DESCRIBED
  }

  /** Whether or not it was known. */
  forget({ node }: Forget): Verdict {
    const member = this.#byId.get(node)
    if (member === undefined) return FORGOTTEN
    this.revision++
    this.#ledger.remove(member)
    this.#byId.delete(node)
    return FORGOTTEN
  }

  /** As it was recorded. */
  restore(record: MemberRecord): void {
    this.#add(record).isRecorded = true
  }

  #add({ id, peer, client }: MemberRecord): Member {
    const member: Member = { kind: 'member', id, peer, client, isRecorded: false, isGone: false }
    this.#byId.set(id, member)
    return member
  }

  #checkRoom(known: Member | undefined): Refused | undefined {
    if (known !== undefined || this.#byId.size < LIMITS.membersMax) return undefined
    return limitReached('members', LIMITS.membersMax)
  }
}
