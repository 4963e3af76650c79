/**
 * What makes no sense whatever the state. The door asks before it proposes; the machine asks again, because
 * what is in the log may come from another version, and must be refused the same way on every node.
 * Arguments are `unknown` where the type alone does not protect: a log entry is only bytes until it is
 * checked. Names are compared code unit by code unit: names that merely look alike are different names.
 */
import { checkClaim } from './claim-sense.js'
import type { Command, Refused, RequestId, Succession } from './command.js'
import { checkData, checkInteger, checkText } from './fields.js'
import { LIMITS } from './limits.js'
import { limitReached, refuse, UNSUPPORTED } from './refusals.js'

/** `INVALID`, `LIMIT` or `UNSUPPORTED`, with a message that says what to do; undefined if all is well. */
export function checkCommand(command: Command): Refused | undefined {
  switch (command.op) {
    case 'open':
      return checkKey(command.key) ?? checkTtlMs(command.ttlMs) ?? checkLabel(command.label)
    case 'keepAlive':
    case 'close':
      return checkId('session', command.session) ?? checkKey(command.key)
    case 'acquire':
      return (
        checkRequest(command) ??
        checkNames(command.names) ??
        checkWaitMs(command.waitMs) ??
        checkLabel(command.label) ??
        checkClaim(command)
      )
    case 'release':
      return checkRequest(command) ?? checkId('token', command.token) ?? checkSuccession(command.succession)
    case 'update':
      return checkRequest(command) ?? checkId('token', command.token) ?? checkData(command.data)
    case 'downgrade':
      return checkRequest(command) ?? checkId('token', command.token)
    case 'forceRelease':
    case 'requestRelease':
      return checkIntervention(command) ?? checkInteger('token', command.token, 0, Number.MAX_SAFE_INTEGER)
    case 'suspend':
      return (
        checkIntervention(command) ??
        (command.forMs === undefined
          ? undefined
          : checkInteger('forMs', command.forMs, 1, LIMITS.remainMsMax))
      )
    case 'resume':
      return checkIntervention(command)
    case 'cancel':
      return checkRequest(command)
    case 'describe':
      return (
        checkNode(command.node) ??
        checkAddress('peer', command.peer) ??
        checkAddress('client', command.client)
      )
    case 'forget':
      return checkNode(command.node)
    case 'raise':
      return Number.isSafeInteger(command.level) && command.level > 0 ? undefined : UNSUPPORTED
    case 'identify':
      return checkNode(command.node) ?? checkId('disk', command.disk)
    case 'begin':
      return checkId('incarnation', command.incarnation) ?? checkId('wallMs', command.wallMs)
    default:
      return UNSUPPORTED
  }
}

function checkNames(names: unknown): Refused | undefined {
  if (!Array.isArray(names) || names.length === 0)
    return refuse('INVALID', 'names must hold at least one name')
  if (names.length > LIMITS.namesPerClaimMax) return limitReached('names per claim', LIMITS.namesPerClaimMax)
  for (const name of names) {
    const problem = checkName(name)
    if (problem !== undefined) return problem
  }
  const distinct = names.length === 1 || new Set(names).size === names.length
  return distinct ? undefined : refuse('INVALID', 'names must be distinct; name each once')
}

export function checkName(name: unknown): Refused | undefined {
  if (name === '') return refuse('INVALID', 'a name must not be empty')
  return checkText('a name', name, LIMITS.nameBytesMax)
}

function checkLabel(label: unknown): Refused | undefined {
  return checkText('a label', label, LIMITS.labelBytesMax)
}

function checkTtlMs(ttlMs: unknown): Refused | undefined {
  return checkInteger('ttlMs', ttlMs, LIMITS.ttlMsMin, LIMITS.ttlMsMax)
}

function checkWaitMs(waitMs: unknown): Refused | undefined {
  return waitMs === undefined ? undefined : checkInteger('waitMs', waitMs, 0, LIMITS.waitMsMax)
}

function checkKey(key: unknown): Refused | undefined {
  return checkInteger('key', key, 0, Number.MAX_SAFE_INTEGER)
}

/** The numbers of a request. */
export function checkRequest(request: RequestId): Refused | undefined {
  return (
    checkId('session', request.session) ??
    checkKey(request.key) ??
    checkInteger('slot', request.slot, 0, LIMITS.slotsPerSessionMax - 1) ??
    checkId('seq', request.seq)
  )
}

/** Sessions, tokens and seqs are counted from 1. */
function checkId(what: string, id: unknown): Refused | undefined {
  return checkInteger(what, id, 1, Number.MAX_SAFE_INTEGER)
}

function checkNode(node: unknown): Refused | undefined {
  return checkInteger('node', node, 1, LIMITS.nodeIdMax)
}

/** Whether it can be dialled is for those to say who dial it. */
function checkAddress(what: string, address: unknown): Refused | undefined {
  const problem = checkText(`the ${what} address`, address, LIMITS.addressBytesMax)
  return problem ?? (address === '' ? refuse('INVALID', `the ${what} address must not be empty`) : undefined)
}

function checkSuccession(succession: Succession | undefined): Refused | undefined {
  if (succession === undefined) return undefined
  const { heir, restMs, result } = succession
  return (
    checkInteger('heir', heir, 0, Number.MAX_SAFE_INTEGER) ??
    checkInteger('restMs', restMs, 0, LIMITS.remainMsMax) ??
    (result === undefined
      ? undefined
      : (checkData(result.data) ?? checkInteger('keepMs', result.keepMs, 1, LIMITS.remainMsMax)))
  )
}

function checkIntervention(request: RequestId & { name: string; note: string }): Refused | undefined {
  return (
    checkRequest(request) ??
    checkName(request.name) ??
    checkText('a note', request.note, LIMITS.labelBytesMax)
  )
}
