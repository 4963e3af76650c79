/**
 * Whether somebody would wait for itself. A claim that waits, waits for those who hold its names and for those before it
 * in their queues; a holder with an owner waits for whatever that owner waits for. A holder without one is a task of its
 * own that waits for nothing: so independent tasks of one session never make a false alarm.
 */

import { isGrantable } from './grant-rule.js'
import type { Refused } from './language/command.js'
import { LIMITS } from './language/limits.js'
import { refuse } from './language/refusals.js'
import type { Claim, Queue } from './queues.js'
import type { Sessions } from './sessions.js'

/** `DEADLOCK`, with the cycle in words, if this claim, which has just come to stand in its queues, closes one. */
export function findDeadlock(claim: Claim, sessions: Sessions): Refused | undefined {
  const { owner } = claim.terms
  const task = sessions.get(claim.session)!.tasks.get(owner)
  const isAlone = task === undefined || task.held + task.waiting.size === 1
  // Nobody waits for the last in line if its task has nothing else, and it waits for nobody if it can be granted.
  if (claim.places.every(({ next }) => next === undefined) && (isAlone || isGrantable(claim)))
    return undefined
  const path = new Search(claim, sessions).find()
  if (path === undefined) return undefined
  const steps = path.map(({ name, blocker }) => `'${name}' of ${whose(blocker, claim)}`)
  return refuse('DEADLOCK', `it would wait for ${steps.join(', which waits for ')}: release that first`)
}

interface Step {
  readonly name: string
  readonly blocker: Claim
}

type Path = readonly Step[] | undefined

class Search {
  readonly #origin: Claim
  readonly #sessions: Sessions
  /** Undefined while it is being found out, and if there is none. */
  readonly #known = new Map<Claim, Path>()
  #looked = 0

  constructor(origin: Claim, sessions: Sessions) {
    this.#origin = origin
    this.#sessions = sessions
  }

  /** With a rank, it may have come before what its own task waits for. */
  find(): Path {
    for (const claim of this.#waitsOf(this.#origin)) {
      if (isGrantable(claim)) continue
      const path = this.#from(claim, 0)
      if (path !== undefined) return path
    }
    return undefined
  }

  /** The way back to the origin's task. */
  #from(waiter: Claim, depth: number): Path {
    if (this.#known.has(waiter) || depth > LIMITS.deadlockDepthMax) return this.#known.get(waiter)
    this.#known.set(waiter, undefined)
    for (const { queue } of waiter.places) {
      const path =
        waiter.mode.kind === 'permits' ? this.#byAll(queue, depth) : this.#byAny(queue, waiter, depth)
      if (path === undefined) continue
      this.#known.set(waiter, path)
      return path
    }
    return undefined
  }

  #byAny(queue: Queue, waiter: Claim, depth: number): Path {
    for (const blocker of queue.granted) {
      if (this.#isTired()) return undefined
      const path = isInTheWay(blocker, waiter) ? this.#by(queue, blocker, depth) : undefined
      if (path !== undefined) return path
    }
    for (const blocker of queue.waiting) {
      if (blocker === waiter || this.#isTired()) return undefined
      const path = this.#by(queue, blocker, depth)
      if (path !== undefined) return path
    }
    return undefined
  }

  /** Whichever holder of a semaphore leaves first lets somebody in: only if all of them are stuck nobody will. */
  #byAll(queue: Queue, depth: number): Path {
    let path: Path
    for (const holder of queue.granted) {
      path = this.#isTired() ? undefined : this.#by(queue, holder, depth)
      if (path === undefined) return undefined
    }
    return path
  }

  #by(queue: Queue, blocker: Claim, depth: number): Path {
    const step = { name: queue.name, blocker }
    if (isSameTask(blocker, this.#origin)) return [step]
    for (const next of this.#waitsOf(blocker)) {
      const path = this.#isTired() ? undefined : this.#from(next, depth + 1)
      if (path !== undefined) return [step, ...path]
    }
    return undefined
  }

  /** One that waits will hold some day, and then its owner, too, has to get all that it waits for. */
  #waitsOf(blocker: Claim): Iterable<Claim> {
    if (blocker.terms.owner === '') return blocker.token === undefined ? [blocker] : []
    return this.#sessions.get(blocker.session)!.tasks.get(blocker.terms.owner)?.waiting ?? []
  }

  /** To be asked before each look. */
  #isTired(): boolean {
    return ++this.#looked > LIMITS.deadlockSearchMax
  }
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
