import type { deserialize, MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { Refusal } from './refusal.js'

/** What arrives in place of a message that is none. */
export const MALFORMED = Symbol('malformed')
export type Malformed = typeof MALFORMED

/** The same service; bytes that can't be decoded become `MALFORMED` instead of gRPC's internal error. */
export function tolerant<S extends ServiceDefinition>(service: S): S {
  const methods = Object.entries(service as Record<string, MethodDefinition<unknown, unknown>>)
  return Object.fromEntries(methods.map(([name, method]) => [name, tolerantMethod(method)])) as S
}

export function malformedRefusal(): Refusal {
  const hint = 'whole numbers are at most 2^53 - 1 and never negative'
  return new Refusal('INVALID', `the message can't be read; check it against lockkeeper.proto (${hint})`)
}

function tolerantMethod(method: MethodDefinition<unknown, unknown>): MethodDefinition<unknown, unknown> {
  return { ...method, requestDeserialize: orMalformed(method.requestDeserialize) }
}

function orMalformed(decode: deserialize<unknown>): deserialize<unknown> {
  return (bytes) => {
    try {
      return decode(bytes)
    } catch {
      return MALFORMED
    }
  }
}
