/**
 * What will come to pass without anybody asking: deadlines, soonest first. A binary heap in which every
 * entry knows its index, so that a deadline moves or goes in O(log n) and always stands under its real
 * time: there is one entry per session and per limited wait, however often it was renewed or given up.
 */
import { assert } from './assert.js'

/**
 * Deadlines of the same moment fall due in the alphabetical order of their kinds: a session before its
 * waits.
 */
export type DeadlineKind = 'rest' | 'result' | 'session' | 'suspension' | 'wait'

export interface Deadline {
  /** Cluster clock, milliseconds. Written only by the agenda. */
  at: number
  readonly kind: DeadlineKind
  /** Of the session, of the claim that waits, or of what remains. */
  readonly id: number
  /** Where in the heap; -1 when not on the agenda. Written only by the agenda. */
  index: number
}

export class Agenda {
  readonly #heap: Deadline[] = []

  get size(): number {
    return this.#heap.length
  }

  first(): Deadline | undefined {
    return this.#heap[0]
  }

  has(deadline: Deadline): boolean {
    return this.#heap[deadline.index] === deadline
  }

  add(kind: DeadlineKind, id: number, at: number): Deadline {
    return this.put({ at, kind, id, index: -1 })
  }

  /** One that is on no agenda. */
  put(deadline: Deadline): Deadline {
    deadline.index = this.#heap.length
    this.#heap.push(deadline)
    this.#rise(deadline)
    return deadline
  }

  move(deadline: Deadline, at: number): void {
    assert(this.has(deadline), 'only what is on the agenda can move', deadline)
    deadline.at = at
    this.#settle(deadline)
  }

  remove(deadline: Deadline): void {
    assert(this.has(deadline), 'only what is on the agenda can leave it', deadline)
    const last = this.#heap.pop()!
    if (last !== deadline) {
      this.#put(last, deadline.index)
      this.#settle(last)
    }
    deadline.index = -1
  }

  #settle(deadline: Deadline): void {
    this.#rise(deadline)
    this.#sink(deadline)
  }

  #rise(deadline: Deadline): void {
    let index = deadline.index
    while (index > 0) {
      const parent = this.#heap[(index - 1) >> 1]!
      if (isBefore(parent, deadline)) break
      this.#put(parent, index)
      index = (index - 1) >> 1
    }
    this.#put(deadline, index)
  }

  #sink(deadline: Deadline): void {
    let index = deadline.index
    for (let child = this.#sooner(index); child !== undefined; child = this.#sooner(index)) {
      if (isBefore(deadline, child)) break
      const free = child.index
      this.#put(child, index)
      index = free
    }
    this.#put(deadline, index)
  }

  /** The sooner of the two children. */
  #sooner(index: number): Deadline | undefined {
    const left = this.#heap[2 * index + 1]
    const right = this.#heap[2 * index + 2]
    return left !== undefined && right !== undefined && isBefore(right, left) ? right : left
  }

  #put(deadline: Deadline, index: number): void {
    this.#heap[index] = deadline
    deadline.index = index
  }
}

/** A total order, so that what falls due in which order does not depend on the shape of the heap. */
function isBefore(a: Deadline, b: Deadline): boolean {
  if (a.at !== b.at) return a.at < b.at
  if (a.kind !== b.kind) return a.kind < b.kind
  return a.id < b.id
}
