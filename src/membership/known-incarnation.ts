import type { Machine } from '../machine/machine.js'
import type { IdentityStore } from '../replica/ports.js'

/** The incarnation of the cluster as the machine has it or, until it has applied that again after a restart, as it was written down; 0 if it is not known. */
export function knownIncarnation({ incarnation }: Machine, { facts }: IdentityStore): number {
  return incarnation.number === 0 ? facts.incarnation : incarnation.number
}

/**
 * Writes it down as soon as the machine has it. A node that restarts has applied only what is in its checkpoint, and must not take
 * nodes that were founded again for members whose disks were emptied.
 */
export async function noteIncarnation({ incarnation }: Machine, identity: IdentityStore): Promise<void> {
  const { number } = incarnation
  if (number === 0 || number === identity.facts.incarnation) return
  await identity.save({ ...identity.facts, incarnation: number })
}
