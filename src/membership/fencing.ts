import { membersOf, type NodeId } from '../../raft/index.js'
import { numberOf } from '../platform/member-id.js'
import type { Accuser, IdentityStore, Loss } from '../replica/ports.js'
import type { Replica } from '../replica/replica.js'
import type { PeerBook } from '../transport/index.js'

const KNOWN: Readonly<Record<Loss, string>> = {
  disk: 'this node on another disk, and what it promised there',
  end_of_log: "that this is an earlier copy of this node's disk, and what it promised since",
}

/** The data directory of this node was emptied, is another's, or was put back to an earlier copy. */
export class DisownedError extends Error {
  override readonly name = 'DisownedError'

  constructor(loss: Loss, reason: string) {
    super(`the cluster knows ${KNOWN[loss]} is lost (${reason})`)
  }
}

/** What a peer has said of this node. */
export interface Claim extends Accuser {
  /** How many nodes have said so by now, and how many must before the disk is given up. */
  readonly accusers: number
  readonly needed: number
}

export interface FencingParts {
  readonly self: NodeId
  /** Which one this node is on. */
  readonly disk: number
  /** By its whole log, committed or not. */
  readonly disks: PeerBook['disks']
  /** The nodes in its file: those who count while it has no configuration. */
  readonly named: readonly NodeId[]
  readonly replica: Pick<Replica, 'status' | 'machine'>
  readonly identity: IdentityStore
  /** Nothing of this node's is to be sent to peers from now on, and nothing of theirs heard. */
  readonly fence: () => void
  /** This claim is on disk; the node is fenced off since it came, or since another did. */
  readonly onClaim: (claim: Claim) => void
  /** This node's own log contradicts the claim, so nothing is done about it. */
  readonly onUnbelieved: (reason: string) => void
  /** The disk is to be given up. */
  readonly onDisowned: (error: DisownedError) => void
  /** What was claimed can't be written down. */
  readonly onFailed: (error: unknown) => void
}

/**
 * Keeps a node that may have lost what it promised from voting (faults 17, 26). One peer's word is enough for that, and it is
 * written down: a directory that a peer has said so of never votes again, whichever nodes restart. But a peer may be wrong: only
 * when as many nodes have said so as there must be for a leader without this one is the disk given up, and the node repaired. Not all
 * of them need remember what one does: so it is also given up when the others are known to have such a leader.
 */
export class Fencing {
  readonly #parts: FencingParts
  #isGivenUp = false

  constructor(parts: FencingParts) {
    this.#parts = parts
  }

  /** Before anything is sent: what was claimed before this process still holds. */
  begin(): void {
    this.onNews()
    const newest = this.#accusers.at(-1)
    if (newest === undefined) return
    this.#parts.fence()
    this.#noted(newest)
  }

  /** A peer says so. It is not believed if the log of this node has named this disk and it is said to be on another one. */
  claimed(peer: NodeId, reason: string, loss: Loss): void {
    const { self, disk, disks, identity, fence, onUnbelieved, onFailed } = this.#parts
    if (loss === 'disk' && disks.get(self) === disk) return onUnbelieved(reason)
    fence()
    const node = numberOf(peer)
    if (this.#accusers.some((accuser) => accuser.node === node)) return
    const accuser = { node, loss, reason }
    const saved = identity.save({ ...identity.facts, accusers: [...this.#accusers, accuser] })
    saved.then(() => this.#noted(accuser), onFailed)
  }

  get isFencedOff(): boolean {
    return this.#accusers.length > 0
  }

  /** The others have a leader without this node, which takes a majority: as good as the word of one. */
  othersLead(): void {
    const newest = this.#accusers.at(-1)
    if (newest !== undefined) this.#giveUp(newest.loss, newest.reason)
  }

  /** This node's log may name another disk of it. What is not committed keeps it from voting, what is says that it is lost. */
  onNews(): void {
    const { self, disk, disks, replica, fence } = this.#parts
    const isAnother = (known: number | undefined): boolean => known !== undefined && known !== disk
    if (isAnother(disks.get(self))) fence()
    if (isAnother(replica.machine.disks.all.get(self))) this.#giveUp('disk', 'its log says so')
  }

  #noted(accuser: Accuser): void {
    this.#parts.onClaim({ ...accuser, accusers: this.#accusers.length, needed: this.#needed })
    this.#judge()
  }

  get #accusers(): readonly Accuser[] {
    return this.#parts.identity.facts.accusers
  }

  /** As many as there must be for a leader without this node; it does not count, for it has no say in this. */
  get #needed(): number {
    const { named, replica } = this.#parts
    const { voters } = replica.status.config
    return Math.floor((voters.length > 0 ? voters : named).length / 2) + 1
  }

  #judge(): void {
    const newest = this.#accusers.at(-1)
    if (newest !== undefined && this.#accusers.length >= this.#needed)
      this.#giveUp(newest.loss, newest.reason)
  }

  #giveUp(loss: Loss, reason: string): void {
    if (this.#isGivenUp) return
    this.#isGivenUp = true
    this.#parts.fence()
    this.#parts.onDisowned(new DisownedError(loss, reason))
  }
}

/** Writes down, once, that a committed configuration has this node: one that has not may be added again. */
export async function noteMember(
  self: NodeId,
  { config, configCommitted }: Replica['status'],
  identity: IdentityStore,
): Promise<void> {
  if (!configCommitted || identity.facts.wasMember || !membersOf(config).includes(self)) return
  await identity.save({ ...identity.facts, wasMember: true })
}
