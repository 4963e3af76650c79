import { goesBefore, type LoggedClaim, type Names } from './book.js'

/**
 * Who will get on: found from the end, by letting everybody go who need not wait, then those who waited for them only, and
 * so on. Whoever is left over waits for himself, by way of whatever others.
 *
 * A task is an owner's: it gets on when all that it waits for is granted. A claim that names no owner is a task of its
 * own, and one that holds so gets on.
 */
export class WaitGraph {
  readonly #names: Names
  readonly #claims: readonly LoggedClaim[]
  readonly #stuck: Set<LoggedClaim>

  /** `claims`: all that wait, or would: one may be in no queue yet, and `isFree` if it need not wait. */
  constructor(names: Names, claims: readonly LoggedClaim[], isFree: (claim: LoggedClaim) => boolean) {
    this.#names = names
    this.#claims = claims
    this.#stuck = new Set(claims.filter((claim) => !isFree(claim)))
    for (let before = Number.POSITIVE_INFINITY; this.#stuck.size < before; ) {
      before = this.#stuck.size
      for (const claim of this.#stuck) if (this.#getsOn(claim)) this.#stuck.delete(claim)
    }
  }

  get stuck(): ReadonlySet<LoggedClaim> {
    return this.#stuck
  }

  #getsOn(claim: LoggedClaim): boolean {
    return claim.names.every((name) => {
      const before = this.#claims.filter((other) => other.names.includes(name) && goesBefore(other, claim))
      const blockers = [...this.#names.of(name).holders].filter((it) => isInTheWay(it, claim)).concat(before)
      if (claim.mode.kind !== 'permits') return blockers.every((it) => this.#leaves(it))
      // Whoever leaves a semaphore makes room.
      const seats = blockers.filter((it) => !this.#leaves(it)).reduce((sum, it) => sum + permitsOf(it), 0)
      return seats + claim.mode.permits <= claim.mode.of
    })
  }

  #leaves(claim: LoggedClaim): boolean {
    if (this.#stuck.has(claim)) return false
    return (
      claim.asked.owner === '' || this.#claims.every((it) => !isSameTask(it, claim) || !this.#stuck.has(it))
    )
  }
}

/** Of those who hold; who waits before it is always in its way. */
function isInTheWay(holder: LoggedClaim, { mode, asked }: LoggedClaim): boolean {
  if (mode.kind === 'shared' && holder.mode.kind === 'shared') return false
  return holder.token !== asked.upgrades
}

function isSameTask(a: LoggedClaim, b: LoggedClaim): boolean {
  return a.session === b.session && a.asked.owner === b.asked.owner
}

function permitsOf({ mode }: LoggedClaim): number {
  return mode.kind === 'permits' ? mode.permits : 0
}
