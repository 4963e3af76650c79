/** What the queue needs of a clock: see `Clock` in `src/replica/ports.ts`. */
interface Turns {
  nowMs(): number
  after(delayMs: number, action: () => void): unknown
  soon(action: () => void): void
}

/** Does a small part of some work, well below a millisecond of it. Returns whether there is more to do. */
export type Step = () => boolean

/** The work of one owner, oldest first. */
interface Lane {
  readonly owner: unknown
  readonly steps: Fifo<Step>
}

const TURN_BUDGET_MS = 4
/** What a step causes by settling a promise runs later in the same turn, where it is not measured: some 40 µs for a reply. */
const STEPS_PER_TURN_MAX = 256

/**
 * Work that must not block the event loop, however much there is of it: each turn does a few milliseconds' worth, one step of
 * each owner after the other, so that an owner with much work does not delay one with little. Between two turns the
 * event loop reads its sockets: messages of Raft and renewals are never behind more than one budget of this work.
 */
export class WorkQueue {
  readonly #clock: Turns
  readonly #budgetMs: number
  readonly #lanes = new Map<unknown, Lane>()
  /** The one that was served longest ago comes first. */
  readonly #order = new Fifo<Lane>()
  #isScheduled = false

  /** Each turn does at least one step, even if `budgetMs` is 0. */
  constructor(clock: Turns, budgetMs = TURN_BUDGET_MS) {
    this.#clock = clock
    this.#budgetMs = budgetMs
  }

  /** `step` runs at the end of this turn or in a later one, after what the same owner has added before, until it returns false. */
  add(owner: unknown, step: Step): void {
    let lane = this.#lanes.get(owner)
    if (lane === undefined) {
      lane = { owner, steps: new Fifo() }
      this.#lanes.set(owner, lane)
      this.#order.push(lane)
    }
    lane.steps.push(step)
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#clock.soon(() => this.#run())
  }

  /** Takes a step for each item, in order. */
  addEach<Item>(owner: unknown, items: Iterable<Item>, action: (item: Item) => void): void {
    const iterator = items[Symbol.iterator]()
    this.add(owner, () => {
      const { done, value } = iterator.next()
      if (done) return false
      action(value)
      return true
    })
  }

  /** A step that throws is dropped, and does not hold up those behind it. */
  #run(): void {
    const endMs = this.#clock.nowMs() + this.#budgetMs
    let steps = 0
    try {
      do this.#step()
      while (this.#lanes.size > 0 && ++steps < STEPS_PER_TURN_MAX && this.#clock.nowMs() < endMs)
    } finally {
      this.#isScheduled = this.#lanes.size > 0
      if (this.#isScheduled) this.#clock.after(0, () => this.#run())
    }
  }

  #step(): void {
    const lane = this.#order.shift()!
    const step = lane.steps.first!
    let hasMore = false
    try {
      hasMore = step()
    } finally {
      if (!hasMore) lane.steps.shift()
      if (lane.steps.first === undefined) this.#lanes.delete(lane.owner)
      else this.#order.push(lane)
    }
  }
}

/** A queue whose ends cost the same however long it is; `shift` of a long array moves all of it. */
export class Fifo<Item> {
  #head: Link<Item> | undefined
  #tail: Link<Item> | undefined

  get first(): Item | undefined {
    return this.#head?.item
  }

  push(item: Item): void {
    const link: Link<Item> = { item, next: undefined }
    if (this.#tail === undefined) this.#head = link
    else this.#tail.next = link
    this.#tail = link
  }

  shift(): Item | undefined {
    const head = this.#head
    if (head === undefined) return undefined
    this.#head = head.next
    if (this.#head === undefined) this.#tail = undefined
    return head.item
  }
}

interface Link<Item> {
  readonly item: Item
  next: Link<Item> | undefined
}
