/**
 * The cluster's incarnation: a random number that the log gives it once, so that a cluster that was founded or restored
 * again is not taken for the one before it. With it a restored cluster gets its first token, from the wall clock of its
 * first leader. Entropy and time enter by the log, so all nodes have the same, though each was restored by itself.
 */
import type { Begin, Refused } from './language/command.js'
import { refuse } from './language/refusals.js'

/** 2020-01-01T00:00:00Z. */
const TOKENS_EPOCH_MS = 1_577_836_800_000
/**
 * A cluster that makes fewer grants than this is, at every moment, behind the first token of a cluster that is restored at
 * that moment: a million a second. Tokens end at 2^53: that is in the year 2298.
 */
const TOKENS_PER_MS = 2 ** 10

/** Greater than every token that was granted, by any cluster of this line, before that millisecond. */
export function firstTokenAt(wallMs: number): number {
  return (wallMs - TOKENS_EPOCH_MS) * TOKENS_PER_MS
}

export class Incarnation {
  /** 0: the cluster has none yet. */
  number = 0
  /** Of a restored cluster that has yet to begin, and gives out no number until then: beyond which it is to go on. */
  awaitedAfter = 0

  get isAwaited(): boolean {
    return this.awaitedAfter !== 0
  }

  /** By the wall clock; 0 if the cluster can begin at any time. */
  get earliestMs(): number {
    if (!this.isAwaited) return 0
    return Math.floor(this.awaitedAfter / TOKENS_PER_MS) + 1 + TOKENS_EPOCH_MS
  }

  /** The first number counts. Returns the token that a restored cluster goes on with. */
  begin({ incarnation, wallMs }: Begin): number | Refused | undefined {
    if (this.number !== 0) return undefined
    const first = this.isAwaited ? firstTokenAt(wallMs) : undefined
    if (wallMs < this.earliestMs || first! > Number.MAX_SAFE_INTEGER)
      return refuse(
        'INVALID',
        `a restored cluster can't begin by a wall clock that says ${wallMs}; set the clock`,
      )
    this.number = incarnation
    this.awaitedAfter = 0
    return first
  }
}
