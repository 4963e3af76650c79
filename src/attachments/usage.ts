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

/** Names whose usage is remembered; the one that was used least lately is forgotten first. */
const NAMES_MAX = 10_000

/** How the names are used, by the changes that the log brings: a lock that is waited for too long shows here. */
export class UsageBook {
  /** The least lately used first. */
  readonly #byName = new Map<string, Usage>()

  of(name: string): Usage {
    return this.#byName.get(name) ?? UNUSED
  }

  onChanges(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.mode.kind === 'member' || (change.kind !== 'granted' && change.kind !== 'left')) continue
      const known = this.of(change.name)
      this.#byName.delete(change.name)
      this.#byName.set(change.name, after(known, change))
    }
    if (this.#byName.size <= NAMES_MAX) return
    for (const name of this.#byName.keys()) {
      this.#byName.delete(name)
      if (this.#byName.size <= NAMES_MAX) return
    }
  }
}

function after(usage: Usage, { kind, token, tookMs }: Change): Usage {
  if (kind === 'granted') {
    const { grants, waitedMs, waitedMsMax } = usage
    return {
      ...usage,
      grants: grants + 1,
      waitedMs: waitedMs + tookMs,
      waitedMsMax: Math.max(waitedMsMax, tookMs),
    }
  }
  if (token === undefined) return { ...usage, gaveUp: usage.gaveUp + 1 }
  const { leaves, heldMs, heldMsMax } = usage
  return { ...usage, leaves: leaves + 1, heldMs: heldMs + tookMs, heldMsMax: Math.max(heldMsMax, tookMs) }
}
