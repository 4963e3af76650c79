import type { Outbox } from './outbox.js'
import type { LogIndex, NodeId } from './types.js'

/** A read that waits at the leader, for this node's driver or for a follower's request. */
export interface PendingRead {
  readonly from: NodeId
  readonly id: number
}

interface Round {
  readonly number: number
  /** Commit index when the round began: what the reads in it must see. */
  readonly index: LogIndex
  readonly reads: readonly PendingRead[]
}

/**
 * ReadIndex at the leader (§6.4). Reads wait in a batch; a batch gets a round number that no message has borne before;
 * once a majority has answered a message bearing it (or a later one), this node was still the leader after every read
 * in the batch had been asked. One round is in flight at a time, so a flood of reads costs a round trip per batch.
 */
export class ReadRounds {
  #waiting: PendingRead[] = []
  #inFlight: Round | undefined
  #newest = 0

  constructor(readonly max: number) {}

  /** Number of the newest round begun. */
  get newest(): number {
    return this.#newest
  }

  /** False: too many are pending. */
  add(read: PendingRead): boolean {
    if (this.#waiting.length + (this.#inFlight?.reads.length ?? 0) >= this.max) return false
    this.#waiting.push(read)
    return true
  }

  /** Begins a round for the waiting batch, unless there is none or a round is in flight. */
  begin(commitIndex: LogIndex): boolean {
    if (this.#inFlight !== undefined || this.#waiting.length === 0) return false
    this.#inFlight = { number: ++this.#newest, index: commitIndex, reads: this.#waiting }
    this.#waiting = []
    return true
  }

  /** The round in flight, taken out, if a majority has answered a round at least as new. */
  takeConfirmed(majorityRound: number): Round | undefined {
    const round = this.#inFlight
    if (round === undefined || majorityRound < round.number) return undefined
    this.#inFlight = undefined
    return round
  }

  /** Takes out every read. */
  takeAll(): readonly PendingRead[] {
    const all = [...(this.#inFlight?.reads ?? []), ...this.#waiting]
    this.#inFlight = undefined
    this.#waiting = []
    return all
  }
}

/** A follower's reads: those of one step go to the leader as one request. */
export class ForwardedReads {
  #gathered: number[] = []
  /** By request number, oldest first. */
  readonly #requests = new Map<number, { readonly ids: readonly number[]; readonly since: number }>()
  #pending = 0

  constructor(
    readonly max: number,
    readonly outbox: Outbox,
  ) {}

  add(id: number): void {
    if (this.#pending < this.max) {
      this.#gathered.push(id)
      this.#pending++
    } else this.outbox.answerRead(id, undefined)
  }

  get gathered(): boolean {
    return this.#gathered.length > 0
  }

  /** The gathered reads have been asked for under this number. */
  asked(request: number, now: number): void {
    this.#requests.set(request, { ids: this.#gathered, since: now })
    this.#gathered = []
  }

  /** An answer to a request that isn't waiting is an old one. */
  answered(request: number, index: LogIndex | undefined): void {
    const waiting = this.#requests.get(request)
    if (waiting === undefined) return
    this.#requests.delete(request)
    this.#answer(waiting.ids, index)
  }

  /** Refuses what was asked at or before this tick. */
  expire(since: number): void {
    for (const [request, waiting] of this.#requests) {
      if (waiting.since > since) return
      this.answered(request, undefined)
    }
  }

  refuseAll(): void {
    for (const request of this.#requests.keys()) this.answered(request, undefined)
    this.#answer(this.#gathered, undefined)
    this.#gathered = []
  }

  #answer(ids: readonly number[], index: LogIndex | undefined): void {
    for (const id of ids) this.outbox.answerRead(id, index)
    this.#pending -= ids.length
  }
}
