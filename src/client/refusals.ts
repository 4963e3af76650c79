import { RefusalCode, type Refused } from '../protocol/lockkeeper.js'
import { DeadlockError, type RefusalName, RefusedError } from './errors.js'

export function toRefusedError({ code, message }: Refused): RefusedError {
  const name = toRefusalName(RefusalCode[code]) ?? 'INTERNAL'
  return name === 'DEADLOCK' ? new DeadlockError(message) : new RefusedError(name, message)
}

/** undefined if this client does not know the code. */
export function toRefusalName(name: string | undefined): RefusalName | undefined {
  if (name === undefined || name === 'REFUSAL_CODE_UNSPECIFIED') return undefined
  return name in RefusalCode && Number.isNaN(Number(name)) ? (name as RefusalName) : undefined
}

/** Nothing that this session held or asked for is left. */
export function isSessionOver({ code }: RefusedError): boolean {
  return code === 'SESSION_EXPIRED' || code === 'SESSION_UNKNOWN' || code === 'SESSION_FOREIGN'
}

/** Worth repeating with the same numbers, perhaps to another node. */
export function isForNow({ code }: RefusedError): boolean {
  return code === 'NO_LEADER' || code === 'STOPPING' || code === 'BUSY'
}
