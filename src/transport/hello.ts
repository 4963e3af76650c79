import type { NodeId } from '../../raft/index.js'
import { FrameError, pack, unpack } from './fields.js'
import { HELLO_BYTES_MAX } from './limits.js'

/** Raised when a frame can no longer be understood by the version before. */
const PROTOCOL_VERSION = 1

/** The first frame of a stream. */
export interface Hello {
  readonly version: number
  readonly clusterId: string
  readonly from: NodeId
  readonly to: NodeId
}

export function encodeHello(clusterId: string, from: NodeId, to: NodeId): Buffer {
  return pack([PROTOCOL_VERSION, clusterId, from, to])
}

/** The one frame of the answer: from now on items are read. */
export function encodeWelcome(): Buffer {
  return pack([PROTOCOL_VERSION])
}

/** Throws a `FrameError`. Later versions may say more in their hello: what they are is for `refusal` to judge. */
export function decodeHello(frame: Uint8Array): Hello {
  if (frame.length > HELLO_BYTES_MAX) throw new FrameError(`a hello of ${frame.length} bytes`)
  const fields = unpack(frame)
  return { version: fields.number(), clusterId: fields.text(), from: fields.number(), to: fields.number() }
}

export interface Receiver {
  readonly clusterId: string
  readonly self: NodeId
  /** Without `self`. */
  readonly peers: ReadonlySet<NodeId>
}

/** Why the sender of this hello is a stranger, and what to do about it; undefined if it is a peer. */
export function refusal(hello: Hello, { clusterId, self, peers }: Receiver): string | undefined {
  if (hello.version !== PROTOCOL_VERSION) {
    return `you speak peer protocol ${hello.version} and node ${self} speaks ${PROTOCOL_VERSION}: run versions that are compatible`
  }
  if (hello.clusterId !== clusterId) {
    return `you are of cluster '${hello.clusterId}' and node ${self} is of cluster '${clusterId}': check clusterId and peer addresses`
  }
  if (hello.to !== self)
    return `you look for node ${hello.to} and this is node ${self}: check the peer addresses`
  if (hello.from === self) return `this is node ${self}, and so are you: give each node an id of its own`
  if (!peers.has(hello.from)) {
    return `node ${hello.from} is no member as far as node ${self} knows: use the same list of nodes everywhere`
  }
  return undefined
}
