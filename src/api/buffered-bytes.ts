import { LIMITS } from '../machine/language/limits.js'

/** Bytes that are buffered for all streams of a node. */
export class NodeBuffer {
  bytes = 0
}

/** Bytes that are buffered for one stream, and counted for its node as well. */
export class StreamBuffer {
  readonly #node: NodeBuffer
  #bytes = 0

  constructor(node: NodeBuffer) {
    this.#node = node
  }

  get bytes(): number {
    return this.#bytes
  }

  set bytes(bytes: number) {
    this.#node.bytes += bytes - this.#bytes
    this.#bytes = bytes
  }

  /** This stream may not add to it. When the node has too much, those that have more than their share are stopped. */
  get isFull(): boolean {
    return this.#bytes >= (this.isNodeFull ? LIMITS.streamBufferBytesMin : LIMITS.streamBufferBytesMax)
  }

  get isNodeFull(): boolean {
    return this.#node.bytes >= LIMITS.nodeBufferBytesMax
  }
}
