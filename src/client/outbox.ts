import type { ClientFrame, Request, Terms } from '../protocol/lockkeeper.js'
import { RefusedError } from './errors.js'
import type { Clock } from './ports.js'

/** The server takes frames of 4 MiB; sizes here are upper bounds, so this leaves no doubt. */
const FRAME_BYTES_MAX = 3.5 * 1024 * 1024
/**
 * A frame that has grown to this takes no further request. Sessions of one process share connections, and parts of the frames of all
 * of them are to stay below what a node holds of one connection.
 */
const FRAME_BYTES = 128 * 1024

/** Of one request, without the texts in it. */
const REST_BYTES = 192

/** Gathers the requests of one turn of the event loop: the cost of a frame is shared by all of them. */
export class Outbox {
  readonly #clock: Clock
  readonly #send: (frame: ClientFrame) => void
  #requests: Request[] = []
  #scheduled = false

  constructor(clock: Clock, send: (frame: ClientFrame) => void) {
    this.#clock = clock
    this.#send = send
  }

  push(request: Request): void {
    this.#requests.push(request)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.soon(() => this.#flush())
  }

  /** Forgets what has not left yet. */
  clear(): void {
    this.#requests = []
  }

  #flush(): void {
    this.#scheduled = false
    const requests = this.#requests
    this.#requests = []
    for (const part of split(requests)) this.#send({ hello: undefined, requests: part })
  }
}

/** @throws RefusedError `LIMIT` if this request alone does not fit into a frame: it would break the stream. */
export function assertFits(operation: Request['operation']): void {
  const bytes = bytesMax(operation)
  if (bytes <= FRAME_BYTES_MAX) return
  throw new RefusedError(
    'LIMIT',
    `a request of ${bytes} bytes is too large (${FRAME_BYTES_MAX}); ask for fewer names, or say less`,
  )
}

function split(requests: Request[]): Request[][] {
  const parts: Request[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const request of requests) {
    const more = bytesMax(request.operation)
    if (bytes + more > FRAME_BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(request)
    bytes += more
  }
  return parts
}

/** An upper bound: a UTF-16 unit becomes at most 3 bytes, a number with its tag at most 11. */
function bytesMax(operation: Request['operation']): number {
  switch (operation?.$case) {
    case 'acquire': {
      const { names, label, terms } = operation.value
      let length = label.length
      for (const name of names) length += 3 + name.length
      return REST_BYTES + 3 * (terms === undefined ? length : length + lengthOf(terms))
    }
    case 'release':
      return REST_BYTES + 3 * (operation.value.result?.data.length ?? 0)
    case 'update':
      return REST_BYTES + 3 * operation.value.data.length
    case 'forceRelease':
    case 'requestRelease':
    case 'suspend':
    case 'resume':
      return REST_BYTES + 3 * (operation.value.name.length + operation.value.note.length)
    default:
      return REST_BYTES
  }
}

function lengthOf({ data, owner, fingerprint = '' }: Terms): number {
  return data.length + owner.length + fingerprint.length
}
