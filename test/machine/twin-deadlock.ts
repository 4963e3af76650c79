/**
 * The dumb search for a deadlock, with the new one's task going on last: strike out all who get on before it, until nobody more
 * does; then mark those who are left because of it.
 */
import { isHeld, type TwinClaim, type TwinNames } from './twin-names.js'

/** Whether this claim, which waits or, being free, is about to be granted, keeps its own task waiting. */
export function waitsForItself(origin: TwinClaim, isFree: boolean, names: TwinNames): boolean {
  const waiting = names.claims.filter(
    (claim) => !isHeld(claim) && !names.isOfThePast(claim) && !(isFree && claim === origin),
  )
  const stuck = new Set(waiting)
  const becauseOfIt = new Set<TwinClaim>()
  until(() => {
    for (const claim of stuck) if (!claim.names.some((name) => isStuckIn(name, claim))) stuck.delete(claim)
    return stuck.size
  })
  until(() => {
    for (const claim of stuck) if (claim.names.some((name) => leadsBack(name, claim))) becauseOfIt.add(claim)
    return becauseOfIt.size
  })
  return waiting.some((claim) => isSameTask(claim, origin) && becauseOfIt.has(claim))

  function inTheWay(name: string, claim: TwinClaim): TwinClaim[] {
    const line = names.waiters(name)
    return names
      .holders(name)
      .filter(
        ({ token, kind }) => token !== claim.terms.upgrades && (claim.kind !== 'shared' || kind !== 'shared'),
      )
      .concat(line.slice(0, line.indexOf(claim)))
  }

  function stays(claim: TwinClaim): boolean {
    return isSameTask(claim, origin) || isOneOf(claim, stuck)
  }

  /** Of a semaphore, those who stay keep their seats. */
  function isStuckIn(name: string, claim: TwinClaim): boolean {
    const blockers = inTheWay(name, claim)
    if (claim.kind !== 'permits') return blockers.some(stays)
    const seats = blockers.filter(stays).reduce((sum, { permits }) => sum + permits, claim.permits)
    return seats > claim.of
  }

  function leadsBack(name: string, claim: TwinClaim): boolean {
    const leads = (it: TwinClaim): boolean => isSameTask(it, origin) || isOneOf(it, becauseOfIt)
    return isStuckIn(name, claim) && inTheWay(name, claim).some(leads)
  }
}

/** Until it comes to the same again. */
function until(step: () => number): void {
  for (let before = -1, now = step(); now !== before; ) {
    before = now
    now = step()
  }
}

function isOneOf(claim: TwinClaim, those: ReadonlySet<TwinClaim>): boolean {
  return [...those].some((each) => isSameTask(each, claim))
}

function isSameTask(a: TwinClaim, b: TwinClaim): boolean {
  return a === b || (a.terms.owner !== '' && a.session === b.session && a.terms.owner === b.terms.owner)
}
