/**
 * Whether somebody would wait for itself. A claim that waits, waits for those who hold its names and for those before it
 * in their queues; a holder with an owner waits for whatever that owner waits for. A holder without one is a task of its
 * own that waits for nothing: so independent tasks of one session never make a false alarm.
 */

import { isGrantable } from './grant-rule.js'
import type { Mode, Refused } from './language/command.js'
import { LIMITS } from './language/limits.js'
import { refuse } from './language/refusals.js'
import type { Claim, Queue } from './queues.js'
import { CIRCLES_SINCE } from './roster/feature-level.js'
import type { Standing } from './standing.js'

/** `DEADLOCK`, with the cycle in words, if this claim, which has just come to stand in its queues, closes one. */
export function findDeadlock(claim: Claim, standing: Standing): Refused | undefined {
  const { sessions } = standing
  const { owner } = claim.terms
  const task = sessions.get(claim.session)!.tasks.get(owner)
  const isAlone = task === undefined || task.held + task.waiting.size === 1
  // Nobody waits for the last in line if its task has nothing else, and it waits for nobody if it can be granted.
  if (claim.places.every(({ next }) => next === undefined) && (isAlone || isGrantable(claim)))
    return undefined
  const path = new Search(claim, standing).find()
  if (path === undefined) return undefined
  const steps = path.map(({ name, blocker }) => `'${name}' of ${whose(blocker, claim)}`)
  return refuse('DEADLOCK', `it would wait for ${steps.join(', which waits for ')}: release that first`)
}

interface Step {
  readonly name: string
  readonly blocker: Claim
}

type Permits = Extract<Mode, { kind: 'permits' }>

/** Why somebody does not get on: the steps to the origin's task. Undefined: nothing keeps it for ever. */
type Path = readonly Step[] | undefined

/**
 * It waits for somebody who waits for it. That alone is none of the origin's doing, and there is a semaphore in that circle of
 * which another holder may leave; but one who leads back here is not that holder.
 */
const CIRCLE: Path = []

class Search {
  readonly #origin: Claim
  readonly #standing: Standing
  readonly #findsCircles: boolean
  /** While it is being found out, `CIRCLE`. */
  readonly #known = new Map<Claim, Path>()
  #looked = 0

  constructor(origin: Claim, standing: Standing) {
    this.#origin = origin
    this.#standing = standing
    this.#findsCircles = standing.level >= CIRCLES_SINCE
  }

  /** With a rank, it may have come before what its own task waits for. */
  find(): Path {
    for (const claim of this.#waitsOf(this.#origin)) {
      if (isGrantable(claim)) continue
      const path = this.#from(claim, 0)
      if (isWhole(path)) return path
    }
    return undefined
  }

  /** The way back to the origin's task. */
  #from(waiter: Claim, depth: number): Path {
    if (this.#known.has(waiter) || depth > LIMITS.deadlockDepthMax) return this.#known.get(waiter)
    this.#known.set(waiter, this.#findsCircles ? CIRCLE : undefined)
    const path = firstWhole(waiter.places, ({ queue }) => this.#in(queue, waiter, depth))
    // What keeps it may be that somebody on the way to it is being looked at: that is not so from elsewhere.
    if (path !== undefined && this.#findsCircles) this.#known.delete(waiter)
    else this.#known.set(waiter, path)
    return path
  }

  #in(queue: Queue, waiter: Claim, depth: number): Path {
    const { mode } = waiter
    if (mode.kind !== 'permits') return this.#byAny(queue, waiter, depth)
    if (!this.#findsCircles) return this.#byAll(queue, depth)
    return this.#bySeats(queue, waiter, mode, depth)
  }

  #byAny(queue: Queue, waiter: Claim, depth: number): Path {
    return firstWhole(this.#before(queue, waiter), (blocker) => this.#by(queue, blocker, depth))
  }

  /** Those it waits for, as long as the search goes on. */
  *#before(queue: Queue, waiter: Claim): Generator<Claim, void> {
    for (const holder of queue.granted) {
      if (this.#isTired()) return
      if (isInTheWay(holder, waiter)) yield holder
    }
    for (const other of queue.waiting) {
      if (other === waiter || this.#isTired()) return
      yield other
    }
  }

  /** Who leaves a semaphore makes room: so only if those before it who never leave take so many seats that too few are left. */
  #bySeats(queue: Queue, waiter: Claim, { permits, of }: Permits, depth: number): Path {
    let found: Path
    let taken = permits
    for (const blocker of this.#before(queue, waiter)) {
      const path = this.#by(queue, blocker, depth)
      if (path === undefined) continue
      taken += (blocker.mode as Permits).permits
      if (!isWhole(found)) found = path
    }
    return taken > of ? found : undefined
  }

  /** Of the feature levels below: only if all holders are stuck. */
  #byAll(queue: Queue, depth: number): Path {
    let path: Path
    for (const holder of queue.granted) {
      path = this.#isTired() ? undefined : this.#by(queue, holder, depth)
      if (path === undefined) return undefined
    }
    return path
  }

  /** One of the past is about to go. */
  #by(queue: Queue, blocker: Claim, depth: number): Path {
    if (this.#standing.isOfThePast(blocker)) return undefined
    const step = { name: queue.name, blocker }
    if (isSameTask(blocker, this.#origin)) return [step]
    const path = firstWhole(this.#waitsOf(blocker), (next) =>
      this.#isTired() ? undefined : this.#from(next, depth + 1),
    )
    return isWhole(path) ? [step, ...path] : path
  }

  /** One that waits will hold some day, and then its owner, too, has to get all that it waits for. */
  #waitsOf(blocker: Claim): Iterable<Claim> {
    if (blocker.terms.owner === '') return blocker.token === undefined ? [blocker] : []
    return this.#standing.sessions.get(blocker.session)!.tasks.get(blocker.terms.owner)?.waiting ?? []
  }

  /** To be asked before each look. */
  #isTired(): boolean {
    return ++this.#looked > LIMITS.deadlockSearchMax
  }
}

/** The first of what `look` finds that leads to the origin's task; else a circle, if there is one. */
function firstWhole<T>(items: Iterable<T>, look: (item: T) => Path): Path {
  let found: Path
  for (const item of items) {
    const path = look(item)
    if (isWhole(path)) return path
    found ??= path
  }
  return found
}

function isWhole(path: Path): path is readonly Step[] {
  return path !== undefined && path.length > 0
}

/**
 * Readers do not wait for readers who hold, and who upgrades not for what it has. But nobody goes past a reader who waits: it
 * may wait in another name.
 */
function isInTheWay(holder: Claim, waiter: Claim): boolean {
  if (waiter.mode.kind === 'shared' && holder.mode.kind === 'shared') return false
  return holder.token !== waiter.terms.upgrades
}

function isSameTask(a: Claim, b: Claim): boolean {
  return a === b || (a.terms.owner !== '' && a.session === b.session && a.terms.owner === b.terms.owner)
}

function whose(claim: Claim, origin: Claim): string {
  if (isSameTask(claim, origin)) return 'itself'
  const { session, terms } = claim
  return terms.owner === '' ? `session ${session}` : `'${terms.owner}' of session ${session}`
}
