import type { LogIndex } from './types.js'

/**
 * What a leader knows of one follower. `match` is true knowledge and never goes back; `next` is a guess.
 *
 *   probe      unsure where the logs agree: one append at a time, `next` stays until it is answered
 *   replicate  they agree: appends follow each other unanswered, `next` runs ahead of `match`
 *
 * match < next always.
 */
export class Progress {
  #state: 'probe' | 'replicate' = 'probe'
  #probeUnanswered = false
  #match: LogIndex = 0
  #next: LogIndex
  /** Commit index that this follower has been told. A guess, too: heartbeats repeat it. */
  told: LogIndex = 0
  /** Newest heartbeat round that it answered (§6.4). */
  round = 0
  /** Tick at which it was last heard. */
  heardAt: number

  constructor(next: LogIndex, now: number) {
    this.#next = next
    this.heardAt = now
  }

  get match(): LogIndex {
    return this.#match
  }

  get next(): LogIndex {
    return this.#next
  }

  /** Whether an append with entries may go out. */
  get open(): boolean {
    return !this.#probeUnanswered
  }

  /** An append with entries up to `last` went out. */
  sent(last: LogIndex): void {
    if (this.#state === 'replicate') this.#next = last + 1
    else this.#probeUnanswered = true
  }

  accepted(index: LogIndex): void {
    this.#match = Math.max(this.#match, index)
    this.#next = this.#state === 'probe' ? this.#match + 1 : Math.max(this.#next, this.#match + 1)
    this.#state = 'replicate'
    this.#probeUnanswered = false
  }

  /**
   * `refused` is the `prevIndex` that didn't fit, `likely` the highest index that may fit. Old refusals say nothing new:
   * those at or below `match`, and while probing those of another append than the one asked about.
   */
  refused(refused: LogIndex, likely: LogIndex): void {
    if (refused <= this.#match || refused >= this.#next) return
    if (this.#state === 'probe' && refused !== this.#next - 1) return
    this.#probeFrom(Math.max(this.#match + 1, Math.min(refused, likely + 1)))
    this.#probeUnanswered = false
  }

  /** The stream broke, what was in flight may be lost. The answer to the next heartbeat opens the flow again. */
  disconnected(): void {
    this.#probeFrom(this.#match + 1)
    this.#probeUnanswered = true
  }

  #probeFrom(next: LogIndex): void {
    this.#state = 'probe'
    this.#next = next
    this.told = Math.min(this.told, this.#match)
  }
}
