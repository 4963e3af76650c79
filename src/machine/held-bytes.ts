/**
 * How much of the heap the machine's things take, estimated from what is in them: the same on every node, and added up as they
 * come and go, so that it costs nothing to ask. Measured by the growth of the heap with 100,000 to 300,000 of each (Node 22,
 * x64; `test/machine/held-bytes.test.ts` compares). Entries of the maps that find them are part of each.
 */
import { NO_TERMS } from './language/command.js'
import type { Claim } from './queues.js'
import type { Remains } from './remains.js'
import type { Session } from './sessions.js'

export const BYTES = {
  /** Without its slot, its places and its texts. */
  claim: 400,
  /** One for each name of a claim. */
  place: 64,
  /** Of a claim that is more than a plain lock. */
  terms: 150,
  /** Of a claim that names an owner. */
  owner: 230,
  /** Of a claim on a semaphore, and for each of its permits. */
  semaphore: 640,
  permit: 16,
  /** A name that somebody stands in, or of which something remains. */
  queue: 310,
  /** A request that is remembered. */
  slot: 190,
  session: 760,
  /** A loss that a session is yet to be told of. */
  loss: 80,
  remains: 210,
  /** Of any text; half of it if all is Latin. */
  character: 2,
} as const

export function claimBytes({ names, label, terms, data, mode }: Claim): number {
  const { owner, fingerprint = '' } = terms
  let bytes = BYTES.claim + textBytes(label) + textBytes(data)
  for (const name of names) bytes += BYTES.place + textBytes(name)
  if (mode.kind === 'permits') bytes += BYTES.semaphore + mode.permits * BYTES.permit
  if (terms === NO_TERMS) return bytes
  if (owner !== '') bytes += BYTES.owner
  return bytes + BYTES.terms + textBytes(owner) + textBytes(fingerprint)
}

export function sessionBytes({ label, losses }: Session): number {
  let bytes = BYTES.session + textBytes(label)
  for (const { note } of losses) bytes += BYTES.loss + textBytes(note)
  return bytes
}

export function remainsBytes(remains: Remains): number {
  if (remains.kind !== 'result') return BYTES.remains + textBytes(remains.note)
  return BYTES.remains + textBytes(remains.fingerprint) + textBytes(remains.data)
}

export function textBytes(text: string): number {
  return text.length * BYTES.character
}
