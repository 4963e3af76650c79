import type { Command } from '../machine/language/command.js'
import type { Machine } from '../machine/machine.js'
import type { Waiter } from '../proposals/proposals.js'
import type { DoorParts } from './door-parts.js'
import { Refusal } from './refusal.js'

/**
 * Sends a command on its way to the log, or says why not. It is always `BUSY`, never a verdict: the command may be a copy
 * of one that the log has already, of which only the machine knows what it came to.
 */
export function submit(
  { reserves, proposals, replica }: Pick<DoorParts, 'reserves' | 'proposals' | 'replica'>,
  command: Command,
  waiter: Waiter,
): Refusal | undefined {
  const shortage = isAddition(command, replica.machine) ? reserves.shortage : undefined
  if (shortage !== undefined) return new Refusal('BUSY', shortage)
  return proposals.submit(command, waiter) ? undefined : tooManyUnderWay()
}

export function tooManyUnderWay(): Refusal {
  return new Refusal('BUSY', 'too many requests are under way here; repeat with the same numbers, later')
}

/**
 * Whether it leaves more to keep than there was before. A copy of what the log has does not; and whoever moves to this
 * node while it waits in a queue has to be told here when it is granted, or would hold without knowing it.
 */
function isAddition(command: Command, { sessions }: Machine): boolean {
  if (command.op === 'open') return sessions.withKey(command.key) === undefined
  if (command.op !== 'acquire') return false
  return command.seq > (sessions.get(command.session)?.slots.get(command.slot)?.seq ?? 0)
}
