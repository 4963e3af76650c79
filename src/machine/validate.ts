/**
 * What makes no sense whatever the state. The door asks before it proposes; the machine asks again, because
 * what is in the log may come from another version, and must be refused the same way on every node.
 * Arguments are `unknown` where the type alone does not protect: a log entry is only bytes until it is
 * checked. Names are compared code unit by code unit: names that merely look alike are different names.
 */
import type { Command, Refused, RequestId } from './command.js'
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
        checkMode(command.mode) ??
        checkWaitMs(command.waitMs) ??
        checkLabel(command.label)
      )
    case 'release':
      return checkRequest(command) ?? checkId('token', command.token)
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

function checkRequest(request: RequestId): Refused | undefined {
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

function checkMode(mode: { readonly kind: unknown } | undefined): Refused | undefined {
  return mode?.kind === 'exclusive'
    ? undefined
    : refuse('UNSUPPORTED', 'this version only knows exclusive claims')
}

function checkInteger(what: string, value: unknown, min: number, max: number): Refused | undefined {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return undefined
  return refuse('INVALID', `${what} must be a whole number from ${min} to ${max}`)
}

/**
 * Control characters, NUL among them; surrogates without their other half; and U+FFFD, which is what UTF-8 makes of
 * them and of bytes that are no text: names that differ only in what was broken would become one.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\ufffd]/u

function checkText(what: string, text: unknown, bytesMax: number): Refused | undefined {
  if (typeof text !== 'string') return refuse('INVALID', `${what} must be a string`)
  if (text.length > bytesMax || utf8Bytes(text) > bytesMax) {
    return refuse('LIMIT', `${what} is at most ${bytesMax} bytes of UTF-8; shorten it`)
  }
  if (!UNPRINTABLE.test(text)) return undefined
  return refuse('INVALID', `${what} must be well-formed text without control characters`)
}

/** Bytes of well-formed text in UTF-8: a surrogate pair is four, two for each half. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800 || (unit >= 0xd800 && unit < 0xe000)) bytes += 2
    else bytes += 3
  }
  return bytes
}
