import type { LogIndex } from './types.js'

/**
 * What a leader knows of one follower. `match` is true knowledge; `next` is a guess.
 *
 *   probe      unsure where the logs agree: one append at a time, `next` stays until it is answered
 *   replicate  they agree: appends follow each other unanswered, `next` runs ahead of `match`
 *   snapshot   it lacks entries that the leader has forgotten: no appends but heartbeats until the driver has sent it
 *              a checkpoint
 *
 * match < next always.
 */
export class Progress {
  #state: 'probe' | 'replicate' | 'snapshot' = 'probe'
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

  get inSnapshot(): boolean {
    return this.#state === 'snapshot'
  }

  /** Whether an append with entries may go out. */
  get open(): boolean {
    return this.#state !== 'snapshot' && !this.#probeUnanswered
  }

  /** The entries after this one, and before `next`, are under way. A probe waits for the one before it. */
  get arrived(): LogIndex {
    return this.#state === 'probe' ? this.#next - 1 : this.#match
  }

  /** An append with entries up to `last` went out. */
  sent(last: LogIndex): void {
    if (this.#state === 'replicate') this.#next = last + 1
    else this.#probeUnanswered = true
  }

  accepted(index: LogIndex): void {
    this.#match = Math.max(this.#match, index)
    this.#next = this.#state === 'probe' ? this.#match + 1 : Math.max(this.#next, this.#match + 1)
    if (this.#state === 'probe') this.#state = 'replicate'
    this.#probeUnanswered = false
  }

  /**
   * `refused` is the `prevIndex` that didn't fit, `likely` the highest index that may fit. Old refusals say nothing new:
   * while replicating those at or below `match`, while probing those of another append than the one asked about.
   * A probe refused at `match` itself is news, and bad: the follower lost what it had acknowledged.
   */
  refused(refused: LogIndex, likely: LogIndex): void {
    if (this.#state === 'snapshot' || refused >= this.#next) return
    if (this.#state === 'probe' ? refused !== this.#next - 1 : refused <= this.#match) return
    if (refused <= this.#match) this.#match = 0
    this.#probeFrom(Math.max(this.#match + 1, Math.min(refused, likely + 1)))
    this.#probeUnanswered = false
  }

  /** The stream broke, what was in flight may be lost. The answer to the next heartbeat opens the flow again. */
  disconnected(): void {
    if (this.#state === 'snapshot') return
    this.#probeFrom(this.#match + 1)
    this.#probeUnanswered = true
  }

  /**
   * The leader's log begins after `start`. True once: the follower needs what came before, and it is time to send it a
   * checkpoint. Only one that has answered is known to need it; the others are asked whether they have `start`.
   */
  needsSnapshot(start: LogIndex): boolean {
    if (this.#next > start) return false
    this.#next = start + 1
    if (!this.open) return false
    this.#state = 'snapshot'
    return true
  }

  /** The snapshot is sent, or lost. If it isn't known to have arrived, the answer to the next heartbeat will say. */
  snapshotEnded(): void {
    if (this.#state !== 'snapshot') return
    this.#probeFrom(this.#next)
    this.#probeUnanswered = this.#match + 1 < this.#next
  }

  #probeFrom(next: LogIndex): void {
    this.#state = 'probe'
    this.#next = next
    this.told = Math.min(this.told, this.#match)
  }
}
