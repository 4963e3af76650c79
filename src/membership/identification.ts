import { NOBODY, type NodeId } from '../../raft/index.js'
import type { Identify } from '../machine/language/command.js'
import { levelOf } from '../machine/roster/feature-level.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Replica } from '../replica/replica.js'
import type { Loss, PeerBook } from '../transport/index.js'
import type { Directory } from './directory.js'

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

export interface IdentificationParts {
  readonly self: NodeId
  /** Which one this node is on. */
  readonly disk: number
  /** By its whole log, committed or not. */
  readonly disks: PeerBook['disks']
  readonly replica: Replica
  readonly proposals: Proposals
  readonly directory: Directory
  /** This node must not vote. */
  readonly onDisowned: (error: DisownedError) => void
}

/** Tells the cluster, once, on which disk this node is, so that it is known by it ever after (fault 17). */
export class Identification {
  readonly #parts: IdentificationParts
  /** The word is under way. */
  #isTold = false

  constructor(parts: IdentificationParts) {
    this.#parts = parts
  }

  /**
   * A peer says so. Returns whether that is to be believed: that this is another disk than the member's, not if the log of
   * this node has named it. That this is an earlier copy of the disk is what its log can't know.
   */
  disowned(reason: string, loss: Loss): boolean {
    const { self, disk, disks, onDisowned } = this.#parts
    if (loss === 'disk' && disks.get(self) === disk) return false
    onDisowned(new DisownedError(loss, reason))
    return true
  }

  /** Leadership, the members or the feature level may have changed. */
  onNews(): void {
    const { self, disk, replica, proposals, directory, onDisowned } = this.#parts
    const { machine, status } = replica
    const known = machine.disks.all.get(self)
    if (known !== undefined && known !== disk) return onDisowned(new DisownedError('disk', 'its log says so'))
    const command: Identify = { op: 'identify', node: self, disk }
    const isHeard = status.leader !== NOBODY && replica.isUpToTerm
    const isTimely = isHeard && directory.isMember && machine.level >= levelOf(command)
    if (known !== undefined || !isTimely || this.#isTold) return
    const settle = (): void => {
      this.#isTold = false
    }
    this.#isTold = proposals.submit(command, { settle, gone: false })
  }
}
