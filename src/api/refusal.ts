import { status } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { RefusalCode as MachineCode } from '../machine/language/command.js'
import { RefusalCode } from '../protocol/lockkeeper.js'

/** What the door says of its own accord, beside what the machine says. */
type DoorCode = 'NO_LEADER' | 'WRONG_CLUSTER' | 'INTERNAL' | 'STOPPING' | 'BUSY' | 'NOT_LEADER' | 'NOT_READY'

/** Every code of the contract. */
export type Code = MachineCode | DoorCode

/** A request was refused. Thrown by unary calls; streams carry it as a value. `message` says what to do next. */
export class Refusal extends Error {
  override readonly name = 'Refusal'

  constructor(
    readonly code: Code,
    message: string,
  ) {
    super(message)
  }
}

export function noLeader(waitedMs: number): Refusal {
  const within = `within ${Math.round(waitedMs)} ms`
  return new Refusal(
    'NO_LEADER',
    `no leader with a majority answered ${within}; repeat with the same numbers`,
  )
}

/** To whom nobody listens any more. */
export const CALLER_LEFT = new Refusal('CANCELLED', 'the caller has left')

/** The log has the reason. */
export function internalRefusal(logger: Logger, error: unknown): Refusal {
  logger.error({ err: error }, 'a request failed unexpectedly')
  return new Refusal(
    'INTERNAL',
    'this node made a mistake; its log tells which. Report it, and try another node',
  )
}

/** The one table of errors: from our codes to gRPC's. Those of `UNAVAILABLE` are worth repeating as they are. */
const GRPC_STATUS: Record<Code, status> = {
  TIMEOUT: status.ABORTED,
  CANCELLED: status.CANCELLED,
  NOT_HELD: status.FAILED_PRECONDITION,
  SESSION_EXPIRED: status.FAILED_PRECONDITION,
  SESSION_UNKNOWN: status.NOT_FOUND,
  SESSION_FOREIGN: status.PERMISSION_DENIED,
  STALE_REQUEST: status.FAILED_PRECONDITION,
  LIMIT: status.RESOURCE_EXHAUSTED,
  INVALID: status.INVALID_ARGUMENT,
  UNSUPPORTED: status.UNIMPLEMENTED,
  NO_LEADER: status.UNAVAILABLE,
  WRONG_CLUSTER: status.FAILED_PRECONDITION,
  INTERNAL: status.INTERNAL,
  STOPPING: status.UNAVAILABLE,
  BUSY: status.UNAVAILABLE,
  NOT_LEADER: status.FAILED_PRECONDITION,
  NOT_READY: status.FAILED_PRECONDITION,
  CONFLICT: status.FAILED_PRECONDITION,
  DEADLOCK: status.ABORTED,
}

export function grpcStatus(code: Code): status {
  return GRPC_STATUS[code]
}

export function wireCode(code: Code): RefusalCode {
  return RefusalCode[code]
}
