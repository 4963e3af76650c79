/**
 * The dumb search for a deadlock: mark every claim that can't be granted before the new one's task goes on, and begin again
 * until nothing more is marked.
 */
import { isHeld, type TwinClaim, type TwinNames } from './twin-names.js'

/** Whether this claim, which waits or, being free, is about to be granted, keeps its own task waiting. */
export function waitsForItself(origin: TwinClaim, isFree: boolean, names: TwinNames): boolean {
  const stuck = new Set<TwinClaim>()
  const waiting = names.claims.filter((claim) => !isHeld(claim) && !(isFree && claim === origin))
  for (let before = -1; stuck.size > before; ) {
    before = stuck.size
    for (const claim of waiting) {
      if (claim.names.some((name) => isStuckIn(name, claim))) stuck.add(claim)
    }
  }
  return waiting.some((claim) => isSameTask(claim, origin) && stuck.has(claim))

  function isStuckIn(name: string, claim: TwinClaim): boolean {
    const holders = names.holders(name).filter(({ token }) => token !== claim.terms.upgrades)
    // Whichever holder of a semaphore leaves makes room.
    if (claim.kind === 'permits') return holders.length > 0 && holders.every(goesOnAfterOrigin)
    const line = names.waiters(name)
    const inTheWay = holders.filter(({ kind }) => claim.kind !== 'shared' || kind !== 'shared')
    return [...inTheWay, ...line.slice(0, line.indexOf(claim))].some(goesOnAfterOrigin)
  }

  function goesOnAfterOrigin(claim: TwinClaim): boolean {
    if (isSameTask(claim, origin)) return true
    return waiting.some((each) => isSameTask(each, claim) && stuck.has(each))
  }
}

function isSameTask(a: TwinClaim, b: TwinClaim): boolean {
  return a === b || (a.terms.owner !== '' && a.session === b.session && a.terms.owner === b.terms.owner)
}
