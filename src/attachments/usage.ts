import type { Change } from '../machine/changes.js'

/** What a name has been used for, in the time that this node has watched it. Times are ms. */
export interface Usage {
  /** Grants, and how long they had been waited for. */
  readonly grants: number
  readonly waitedMs: number
  readonly waitedMsMax: number
  /** Claims that were held and have left, and how long they were held. */
  readonly leaves: number
  readonly heldMs: number
  readonly heldMsMax: number
  /** Claims that left without having been granted. */
  readonly gaveUp: number
}

export const UNUSED: Usage = {
  grants: 0,
  waitedMs: 0,
  waitedMsMax: 0,
  leaves: 0,
  heldMs: 0,
  heldMsMax: 0,
  gaveUp: 0,
}

/** Names in a generation. Two are remembered: those used since the younger began, and those used in the one before. */
const NAMES_MAX = 5_000

/** How the names are used, by the changes that the log brings: a lock that is waited for too long shows here. */
export class UsageBook {
  #young = new Map<string, Counts>()
  #old = new Map<string, Counts>()

  of(name: string): Usage {
    const counts = this.#young.get(name) ?? this.#old.get(name)
    return counts === undefined ? UNUSED : { ...counts }
  }

  onChanges(changes: readonly Change[]): void {
    for (const { kind, mode, name, token, tookMs } of changes) {
      if (mode.kind === 'member') continue
      if (kind === 'granted') granted(this.#countsOf(name), tookMs)
      else if (kind === 'left') left(this.#countsOf(name), token !== undefined, tookMs)
    }
  }

  #countsOf(name: string): Counts {
    const known = this.#young.get(name)
    if (known !== undefined) return known
    if (this.#young.size === NAMES_MAX) {
      this.#old = this.#young
      this.#young = new Map()
    }
    const counts = this.#old.get(name) ?? { ...UNUSED }
    this.#young.set(name, counts)
    return counts
  }
}

type Counts = { -readonly [K in keyof Usage]: Usage[K] }

function granted(counts: Counts, waitedMs: number): void {
  counts.grants++
  counts.waitedMs += waitedMs
  counts.waitedMsMax = Math.max(counts.waitedMsMax, waitedMs)
}

function left(counts: Counts, wasHeld: boolean, heldMs: number): void {
  if (!wasHeld) {
    counts.gaveUp++
    return
  }
  counts.leaves++
  counts.heldMs += heldMs
  counts.heldMsMax = Math.max(counts.heldMsMax, heldMs)
}
