import type { Command } from '../machine/command.js'
import type { Asked } from './asked.js'
import type { DoorParts } from './door-parts.js'
import { Refusal } from './refusal.js'

/** What leaves more to keep than there was before. */
const ADDING: ReadonlySet<Command['op']> = new Set(['open', 'acquire'])

/**
 * Sends a command on its way to the log, or says why not. It is always `BUSY`, never a verdict: the command may be a copy
 * of one that the log has already, of which only the machine knows what it came to.
 */
export function submit(
  { freeSpace, proposals }: DoorParts,
  command: Command,
  asked: Asked,
): Refusal | undefined {
  const shortage = ADDING.has(command.op) ? freeSpace.shortage : undefined
  if (shortage !== undefined) return new Refusal('BUSY', shortage)
  return proposals.submit(command, asked) ? undefined : tooManyUnderWay()
}

export function tooManyUnderWay(): Refusal {
  return new Refusal('BUSY', 'too many requests are under way here; repeat with the same numbers, later')
}
