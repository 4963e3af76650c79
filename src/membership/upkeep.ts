import type { Directory } from './directory.js'
import type { FeatureLevel } from './feature-level.js'
import type { Fencing } from './fencing.js'
import type { Identification } from './identification.js'
import type { Membership } from './membership.js'

export interface UpkeepParts {
  readonly directory: Directory
  readonly membership: Membership
  readonly featureLevel: FeatureLevel
  readonly fencing: Fencing
  readonly identification: Identification
  /** Who the members are, where, on which disks or on which level is news: peers and clients are to be told. */
  readonly onMembers: () => void
}

/** What a node sees to by itself, about the members and about itself, whenever something may have changed. */
export class Upkeep {
  readonly #parts: UpkeepParts

  constructor(parts: UpkeepParts) {
    this.#parts = parts
  }

  /** The machine has gone on, or leapt. */
  onApplied(): void {
    if (!this.#parts.directory.refresh()) return
    this.#parts.onMembers()
    this.onUpToTerm()
  }

  onStatus(): void {
    this.#parts.membership.onStatus()
    this.onApplied()
    this.announce()
  }

  /** What happened before this term has been heard: what is left undone can be told from what is yet to be heard of. */
  onUpToTerm(): void {
    this.#parts.membership.tidy()
    this.announce()
  }

  /** A peer has told its version, or any of the above. */
  announce(): void {
    this.#parts.fencing.onNews()
    this.#parts.featureLevel.onNews()
    this.#parts.identification.onNews()
  }
}
