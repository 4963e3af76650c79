import type { ServerHttp2Stream } from 'node:http2'
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js'

/**
 * The one place that reaches into gRPC, which shows neither the bytes of a message that is not complete nor those that wait to
 * be sent. `test/port.test.ts` fails if a later version hides these fields.
 */
interface BaseCall {
  readonly stream: ServerHttp2Stream
  incomingEncoding: string
}

/** The HTTP/2 stream of a call that no other interceptor has wrapped. */
export function http2StreamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  const { stream } = call as unknown as BaseCall
  if (typeof stream?.on !== 'function' || typeof stream.writableLength !== 'number')
    throw new Error('this version of @grpc/grpc-js does not show the HTTP/2 stream of a call')
  return stream
}

/**
 * From now on gRPC answers a compressed message with UNIMPLEMENTED, as its protocol asks of a server that does not take these: a
 * few bytes may become megabytes, before anything here has counted them.
 */
export function refuseCompressed(call: ServerInterceptingCallInterface): void {
  const base = call as unknown as BaseCall
  if (typeof base.incomingEncoding !== 'string')
    throw new Error('this version of @grpc/grpc-js does not show the encoding of a call')
  if (base.incomingEncoding !== 'identity')
    base.incomingEncoding = `${base.incomingEncoding} (not taken here)`
}
