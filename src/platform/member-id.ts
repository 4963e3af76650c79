/**
 * A node keeps its number; a member of the cluster that has lost what it promised is that member no more. So each repair gives
 * a node another life: node 3 comes back as member 1003, then as 2003, and no id is ever used twice.
 */

/** Numbers of nodes are below this. */
export const NUMBERS = 1_000
const LIVES = 65

/** Of the node that this member is. */
export function numberOf(member: number): number {
  return member % NUMBERS
}

/** 0 for a node that was never repaired. */
export function lifeOf(member: number): number {
  return Math.floor(member / NUMBERS)
}

/** Throws a RangeError if there is none left. */
export function nextLife(member: number): number {
  if (lifeOf(member) + 1 < LIVES) return member + NUMBERS
  throw new RangeError(
    `node ${numberOf(member)} was repaired ${LIVES - 1} times; give it another number, and add it as a new node`,
  )
}
