import type { Begin } from '../machine/language/command.js'
import type { Machine } from '../machine/machine.js'
import { INCARNATION_SINCE } from '../machine/roster/feature-level.js'
import { ClockBehindError } from '../platform/clock-behind.js'

export interface ClusterStartParts {
  /** Drawn at random: a whole number from 1 to 2^53 − 1. */
  readonly number: number
  readonly wallMs: () => number
  /** This node must not lead the cluster, which was restored, until its clock is set. */
  readonly onClockBehind: (error: ClockBehindError) => void
}

/** Gives a cluster that has no incarnation yet its first command, by its leader. */
export class ClusterStart {
  readonly #parts: ClusterStartParts

  constructor(parts: ClusterStartParts) {
    this.#parts = parts
  }

  /** What to put into the log of a cluster that is on `level`, or about to be. */
  commandsAt(level: number, { incarnation }: Machine): Begin[] {
    if (level < INCARNATION_SINCE || incarnation.number !== 0) return []
    const { number, wallMs, onClockBehind } = this.#parts
    const { earliestMs } = incarnation
    const nowMs = wallMs()
    if (nowMs >= earliestMs) return [{ op: 'begin', incarnation: number, wallMs: nowMs }]
    onClockBehind(new ClockBehindError(nowMs, earliestMs))
    return []
  }
}
