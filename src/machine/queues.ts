/**
 * One queue per name. A claim stands in the queues of all its names from one log entry on, first among
 * those that wait and, once granted, among those that hold. A queue that nobody stands in does not exist.
 */
import type { Deadline } from './agenda.js'
import type { ClaimId, Mode, SessionId, Token } from './command.js'
import type { Bookkeeping } from './records.js'
import { ShardedMap } from './sharded-map.js'

export interface Claim extends Bookkeeping {
  readonly kind: 'claim'
  readonly id: ClaimId
  readonly session: SessionId
  /** The request it came with; while it waits, the slot's newest. */
  readonly slot: number
  readonly seq: number
  readonly names: readonly string[]
  readonly mode: Mode
  readonly label: string
  /** One per name, in the order of `names`, once it has entered its queues. */
  places: readonly Place[]
  /** Undefined while it waits. */
  token: Token | undefined
  /** Waits, or holds, since then. */
  since: number
  /** On the agenda while it waits with a limit. */
  waitLimit: Deadline | undefined
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
  count = 0

  append(place: Place): void {
    place.previous = this.#last
    if (this.#last === undefined) this.first = place
    else this.#last.next = place
    this.#last = place
    this.count++
  }

  remove(place: Place): void {
    if (place.previous === undefined) this.first = place.next
    else place.previous.next = place.next
    if (place.next === undefined) this.#last = place.previous
    else place.next.previous = place.previous
    place.previous = undefined
    place.next = undefined
    this.count--
  }
}

export class Queue {
  /** In the order of their grants. */
  readonly granted = new Line()
  /** In the order of arrival, which is that of claim ids. */
  readonly waiting = new Line()

  constructor(readonly name: string) {}

  /** Held and waiting together. */
  get count(): number {
    return this.granted.count + this.waiting.count
  }
}

export class Queues {
  readonly #byName = new ShardedMap<string, Queue>()

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
    const place: Place = { claim, queue: this.#find(name), previous: undefined, next: undefined }
    place.queue.waiting.append(place)
    return place
  }

  leave(place: Place): void {
    const { queue, claim } = place
    const line = claim.token === undefined ? queue.waiting : queue.granted
    line.remove(place)
    if (queue.count === 0) this.#byName.delete(queue.name)
  }

  #find(name: string): Queue {
    const found = this.#byName.get(name)
    if (found !== undefined) return found
    const queue = new Queue(name)
    this.#byName.set(name, queue)
    return queue
  }
}
