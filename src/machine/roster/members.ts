/**
 * Where the nodes of the cluster are reached. Who they are is Raft's to say; their addresses are here, so that every
 * node learns them by the log, from a checkpoint or from a snapshot, and can tell its clients.
 */
import type { Describe, Forget, Refused, Verdict } from '../language/command.js'
import { LIMITS } from '../language/limits.js'
import { limitReached } from '../language/refusals.js'
import type { Ledger, Page } from '../records/ledger.js'
import type { Bookkeeping } from '../records/records.js'

export interface Member {
  readonly id: number
  /** 'host:port' for the other nodes. */
  readonly peer: string
  /** 'host:port' for clients. */
  readonly client: string
}

const DESCRIBED: Verdict = { kind: 'described' }
const FORGOTTEN: Verdict = { kind: 'forgotten' }

/** One record, for there are few: a record for each would have a key that comes back after it went. */
export class Members implements Bookkeeping {
  readonly kind = 'members'
  isRecorded = false
  isGone = false
  page: Page | undefined = undefined
  /** Counts the changes, so that who looks again and again sees whether there is news. */
  revision = 0
  readonly #ledger: Ledger
  readonly #byId = new Map<number, Member>()

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
    this.#change(() => this.#byId.set(node, { id: node, peer, client }))
    return DESCRIBED
  }

  /** Whether or not it was known. */
  forget({ node }: Forget): Verdict {
    if (this.#byId.has(node)) this.#change(() => this.#byId.delete(node))
    return FORGOTTEN
  }

  /** As they were recorded. */
  restore(members: readonly Member[]): void {
    for (const member of members) this.#byId.set(member.id, member)
    this.isRecorded = true
  }

  #change(change: () => void): void {
    this.#ledger.touch(this)
    this.revision++
    change()
  }

  #checkRoom(known: Member | undefined): Refused | undefined {
    if (known !== undefined || this.#byId.size < LIMITS.membersMax) return undefined
    return limitReached('members', LIMITS.membersMax)
  }
}
