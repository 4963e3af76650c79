/**
 * One queue per name. A claim stands in the queues of all its names from one log entry on, first among
 * those that wait and, once granted, among those that hold. A queue that nobody stands in does not exist.
 */
import type { Deadline } from './agenda.js'
import type { ClaimId, Mode, SessionId, Terms, Token } from './language/command.js'
import { OrderedKeys } from './ordered-keys.js'
import type { Bookkeeping } from './records/records.js'
import type { Rest, Result } from './remains.js'
import type { Seats } from './seats.js'
import { ShardedMap } from './sharded-map.js'

export interface Claim extends Bookkeeping {
  readonly kind: 'claim'
  readonly id: ClaimId
  readonly session: SessionId
  /** The request it came with; while it waits, the slot's newest. */
  readonly slot: number
  readonly seq: number
  readonly names: readonly string[]
  /** An exclusive one may become shared. */
  mode: Mode
  readonly label: string
  readonly terms: Terms
  data: string
  /** The greater stands before the smaller, whenever it came: its priority, or more. */
  rank: number
  /** How many times its owner holds it. */
  holds: number
  /** Of a semaphore, while it holds. */
  seats: readonly number[] | undefined
  /** One per name, in the order of `names`, once it has entered its queues. */
  places: readonly Place[]
  /** Undefined while it waits. */
  token: Token | undefined
  /** Waits, or holds, since then. */
  since: number
  /** On the agenda while it waits with a limit. */
  waitLimit: Deadline | undefined
  /** Links of `SessionClaims`. */
  previousOfSession: Claim | undefined
  nextOfSession: Claim | undefined
}

/** Where a claim stands in one queue: a link of a `Line`. */
export interface Place {
  readonly claim: Claim
  readonly queue: Queue
  previous: Place | undefined
  next: Place | undefined
}

/**
 * A doubly linked list: 100,000 who leave from its middle cost no more than 100,000 who leave from its
 * head.
 */
export class Line {
  first: Place | undefined = undefined
  #last: Place | undefined = undefined
  /** The last place of each rank, once somebody has come who is not the last of all. */
  #lastOfRank: Map<number, Place> | undefined = undefined
  count = 0

  append(place: Place): void {
    this.#insert(place, this.#last)
  }

  /** By rank, then by arrival. However many stand here, it does not take long: most come last, or last of their rank. */
  enter(place: Place): void {
    const { rank } = place.claim
    if (this.#last !== undefined && isBefore(place.claim, this.#last.claim)) {
      this.#lastOfRank ??= this.#findLastOfRank()
      this.#insert(place, this.#placeBefore(place.claim, this.#lastOfRank))
    } else this.#insert(place, this.#last)
    if (place.next?.claim.rank !== rank) this.#lastOfRank?.set(rank, place)
  }

  remove(place: Place): void {
    const { rank } = place.claim
    if (this.#lastOfRank?.get(rank) === place) {
      if (place.previous?.claim.rank === rank) this.#lastOfRank.set(rank, place.previous)
      else this.#lastOfRank.delete(rank)
    }
    if (place.previous === undefined) this.first = place.next
    else place.previous.next = place.next
    if (place.next === undefined) this.#last = place.previous
    else place.next.previous = place.previous
    place.previous = undefined
    place.next = undefined
    this.count--
  }

  [Symbol.iterator](): Generator<Claim, void> {
    return claimsFrom(this.first)
  }

  #findLastOfRank(): Map<number, Place> {
    const last = new Map<number, Place>()
    for (let place = this.first; place !== undefined; place = place.next) last.set(place.claim.rank, place)
    return last
  }

  #placeBefore(claim: Claim, lastOfRank: ReadonlyMap<number, Place>): Place | undefined {
    let nearest = Number.POSITIVE_INFINITY
    for (const rank of lastOfRank.keys()) if (rank >= claim.rank && rank < nearest) nearest = rank
    let place = lastOfRank.get(nearest)
    while (place !== undefined && isBefore(claim, place.claim)) place = place.previous
    return place
  }

  #insert(place: Place, previous: Place | undefined): void {
    const next = previous === undefined ? this.first : previous.next
    place.previous = previous
    place.next = next
    if (previous === undefined) this.first = place
    else previous.next = place
    if (next === undefined) this.#last = place
    else next.previous = place
    this.count++
  }
}

/** Those in this place of a line and behind it. */
export function* claimsFrom(first: Place | undefined): Generator<Claim, void> {
  for (let place = first; place !== undefined; place = place.next) yield place.claim
}

/** Who is before whom, the same in all queues in which they meet: so claims on several names can't block each other. */
function isBefore(a: Claim, b: Claim): boolean {
  return a.rank === b.rank ? a.id < b.id : a.rank > b.rank
}

export class Queue {
  /** In the order of their grants. */
  readonly granted = new Line()
  /** By rank, and then in the order of arrival, which is that of claim ids. */
  readonly waiting = new Line()
  /** In the order of their tokens, beside the queue. */
  members: Line | undefined
  /** While it is a semaphore that somebody holds. */
  seats: Seats | undefined
  /** Nothing is granted meanwhile. */
  rest: Rest | undefined
  suspension: Rest | undefined
  result: Result | undefined

  constructor(readonly name: string) {}

  /** All who stand here. */
  get count(): number {
    return this.granted.count + this.waiting.count + (this.members?.count ?? 0)
  }

  /** Nobody stands here, and nothing is left of those who did. */
  get isEmpty(): boolean {
    return this.count === 0 && (this.rest ?? this.suspension ?? this.result) === undefined
  }

  lineOf(claim: Claim): Line {
    if (claim.token === undefined) return this.waiting
    if (claim.mode.kind !== 'member') return this.granted
    this.members ??= new Line()
    return this.members
  }
}

export class Queues {
  readonly #byName = new ShardedMap<string, Queue>()
  /** In the order of their code units. */
  readonly names = new OrderedKeys<string>((name) => this.#byName.get(name) !== undefined)

  get size(): number {
    return this.#byName.size
  }

  get(name: string): Queue | undefined {
    return this.#byName.get(name)
  }

  /** In no order that means anything. */
  values(): IterableIterator<Queue> {
    return this.#byName.values()
  }

  enter(name: string, claim: Claim): Place {
    const place: Place = { claim, queue: this.open(name), previous: undefined, next: undefined }
    place.queue.waiting.enter(place)
    return place
  }

  leave(place: Place): void {
    const { queue, claim } = place
    queue.lineOf(claim).remove(place)
    this.closeIfEmpty(queue)
  }

  closeIfEmpty(queue: Queue): void {
    if (!queue.isEmpty) return
    this.#byName.delete(queue.name)
    this.names.changed(queue.name)
  }

  /** The queue of this name, whether or not there was one. */
  open(name: string): Queue {
    const found = this.#byName.get(name)
    if (found !== undefined) return found
    const queue = new Queue(name)
    this.#byName.set(name, queue)
    this.names.changed(name)
    return queue
  }
}
