import type { Claim, NameState, Change as WireChange } from '../protocol/lockkeeper.js'
import { Change_Kind, type WatchPart } from '../protocol/lockkeeper.js'

export interface WatchOptions {
  /** Goes on after the `revision` of something seen earlier, on whatever node; by default it begins with the state. */
  readonly afterRevision?: number
  /** Ends it: the iterator then throws the signal's reason. */
  readonly signal?: AbortSignal
}

/** What is seen of a name: what it is at first, then each change of it, in order and without a gap. */
export type Sighting = StateSeen | ChangeSeen

export interface StateSeen {
  readonly kind: 'state'
  readonly state: NameState
  /** Changes between what was seen before and this state may have been missed: too many came while no node was reached. */
  readonly gap: boolean
  /** To go on after this. Counts the changes of all names of the cluster. */
  readonly revision: number
}

export interface ChangeSeen {
  /** It waits from now on; holds, or has joined; has other data, or another mode; has left. */
  readonly kind: 'queued' | 'granted' | 'updated' | 'left'
  /** As it is after the change. */
  readonly claim: Claim
  /** Why it left: `released`, `expired`, `closed`, `cancelled`, `timeout`, `forced`, `upgraded` or `found`. */
  readonly reason: string
  /** To go on after this. */
  readonly revision: number
}

const KINDS: { readonly [K in Change_Kind]?: ChangeSeen['kind'] } = {
  [Change_Kind.QUEUED]: 'queued',
  [Change_Kind.GRANTED]: 'granted',
  [Change_Kind.UPDATED]: 'updated',
  [Change_Kind.LEFT]: 'left',
}

/** @param isResumed a state was not asked for */
export function* sightingsIn(
  { state, changes, revision }: WatchPart,
  isResumed: boolean,
): Generator<Sighting, void, undefined> {
  if (state !== undefined) yield { kind: 'state', state, gap: isResumed, revision }
  for (const change of changes) {
    const seen = changeIn(change)
    if (seen !== undefined) yield seen
  }
}

/** Undefined for one that only a later version knows. */
function changeIn({ kind, claim, reason, revision }: WireChange): ChangeSeen | undefined {
  const known = KINDS[kind]
  return known && claim && { kind: known, claim, reason, revision }
}
