import { Socket } from 'node:net'

/**
 * Loaded before a program (`node --import`), makes it connect elsewhere than it thinks: TRANSLATED_ADDRESSES is JSON,
 * from 'host:port' to 'host:port'. So that the way from a real, unchanged command to the nodes can be cut.
 */
const translation = new Map<string, string>(
  Object.entries(JSON.parse(process.env.TRANSLATED_ADDRESSES ?? '{}')),
)

interface Target {
  host?: string
  port?: number
}

// `net.connect()` and `new Socket().connect()` both end here, with their arguments in an array or as they were given.
const { connect } = Socket.prototype
Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  const target = (Array.isArray(args[0]) ? args[0][0] : args[0]) as Target
  const [host, port] = translation.get(`${target.host}:${target.port}`)?.split(':') ?? []
  if (host !== undefined) Object.assign(target, { host, port: Number(port) })
  return Reflect.apply(connect, this, args)
}
