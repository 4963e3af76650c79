import { NOBODY, type NodeId } from '../../raft/index.js'
import type { Identify } from '../machine/language/command.js'
import { levelOf } from '../machine/roster/feature-level.js'
import type { Proposals } from '../proposals/proposals.js'
import type { Replica } from '../replica/replica.js'
import type { Directory } from './directory.js'

export interface IdentificationParts {
  readonly self: NodeId
  /** Which one this node is on. */
  readonly disk: number
  readonly replica: Replica
  readonly proposals: Proposals
  readonly directory: Directory
}

/** Tells the cluster, once, on which disk this node is, so that it is known by it ever after (fault 17). */
export class Identification {
  readonly #parts: IdentificationParts
  /** The word is under way. */
  #isTold = false

  constructor(parts: IdentificationParts) {
    this.#parts = parts
  }

  /** Leadership, the members or the feature level may have changed. */
  onNews(): void {
    const { self, disk, replica, proposals, directory } = this.#parts
    const { machine, status } = replica
    const command: Identify = { op: 'identify', node: self, disk }
    const isHeard = status.leader !== NOBODY && replica.isUpToTerm
    const isTimely = isHeard && directory.isMember && machine.level >= levelOf(command)
    if (machine.disks.all.has(self) || !isTimely || this.#isTold) return
    const settle = (): void => {
      this.#isTold = false
    }
    this.#isTold = proposals.submit(command, { settle, gone: false })
  }
}
