import { assert } from './assert.js'
import type { Claim } from './queues.js'

/**
 * The claims of one session, in the order of their ids: each links to the next. A Set in which 65,536 come and go moves all
 * of them to a new table now and then, for longer than anybody should wait.
 */
export class SessionClaims {
  #size = 0
  #first: Claim | undefined
  #last: Claim | undefined

  get size(): number {
    return this.#size
  }

  get oldest(): Claim | undefined {
    return this.#first
  }

  /** A claim that is younger than all that are here. */
  append(claim: Claim): void {
    claim.previousOfSession = this.#last
    if (this.#last === undefined) this.#first = claim
    else this.#last.nextOfSession = claim
    this.#last = claim
    this.#size++
  }

  remove(claim: Claim): void {
    const { previousOfSession: previous, nextOfSession: next } = claim
    assert(previous !== undefined || claim === this.#first, 'only who is there goes', { claim: claim.id })
    claim.previousOfSession = undefined
    claim.nextOfSession = undefined
    if (previous === undefined) this.#first = next
    else previous.nextOfSession = next
    if (next === undefined) this.#last = previous
    else next.previousOfSession = previous
    this.#size--
  }

  /** None of them may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Claim, void> {
    for (let claim = this.#first; claim !== undefined; claim = claim.nextOfSession) yield claim
  }
}
