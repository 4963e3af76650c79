import type { Command } from '../machine/language/command.js'
import type { Machine } from '../machine/machine.js'

/** A command as it waits: the object, its waiter, and what surrounds both. Measured: 450 to 600 bytes. */
const COMMAND_BYTES = 512
/** Of requests for which no session known here vouches: opens, and guesses. */
const SHARED_LANE = 0
const ADMINISTRATIVE_LANE = -1

/**
 * In whose turn a command goes. The requests of a session keep their order among themselves (P3). A request in the name of a session
 * that is not the sender's takes no turns from it, and however many such names one makes up, all of them share one lane.
 */
export function laneOf(command: Command, { sessions }: Machine): number {
  if (command.op === 'open') return SHARED_LANE
  if (!('session' in command)) return ADMINISTRATIVE_LANE
  return sessions.get(command.session)?.key === command.key ? command.session : SHARED_LANE
}

/** Renewals overtake all else, since nothing that a session asks for depends on when it is renewed. */
export function isUrgent(command: Command): boolean {
  return command.op === 'keepAlive' || !('session' in command || command.op === 'open')
}

/** About how much memory it takes while it waits. Never less than a third of its length when encoded. */
export function heldBytes(command: Command): number {
  switch (command.op) {
    case 'acquire':
      return COMMAND_BYTES + lengthOf(command.names) + command.label.length + termsLength(command)
    case 'release':
      return COMMAND_BYTES + (command.succession?.result?.data.length ?? 0)
    case 'update':
      return COMMAND_BYTES + command.data.length
    case 'open':
      return COMMAND_BYTES + command.label.length
    case 'forceRelease':
    case 'requestRelease':
    case 'suspend':
    case 'resume':
      return COMMAND_BYTES + command.name.length + command.note.length
    default:
      return COMMAND_BYTES
  }
}

function termsLength({ terms }: Extract<Command, { op: 'acquire' }>): number {
  if (terms === undefined) return 0
  return terms.data.length + terms.owner.length + (terms.fingerprint?.length ?? 0)
}

function lengthOf(names: readonly string[]): number {
  let length = 0
  for (const name of names) length += name.length
  return length
}
