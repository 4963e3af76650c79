import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Server } from '@grpc/grpc-js'

/**
 * The one place that reaches into what others do not show. `test/port/internals.test.ts` fails, as does every start of a node, if
 * a later version of gRPC or of Node.js is made in another way.
 */

export type OnStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

/**
 * Comes between HTTP/2 and gRPC, which would begin all calls that one read of a socket brings in one turn of the event loop:
 * `before` is called for each of them, and returns what to do now. Returns how gRPC begins a call.
 */
export function takeStreams(server: Server, before: OnStream): OnStream {
  const { http2Servers } = server as unknown as { http2Servers?: Map<Http2Server, unknown> }
  const [http2Server, ...others] = http2Servers?.keys() ?? []
  const [begin, ...more] = http2Server?.listeners('stream') ?? []
  if (http2Server === undefined || begin === undefined || others.length > 0 || more.length > 0)
    throw new Error('this version of @grpc/grpc-js does not show its HTTP/2 server')
  http2Server.removeAllListeners('stream')
  http2Server.on('stream', before)
  return begin as OnStream
}
