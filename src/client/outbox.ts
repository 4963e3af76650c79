import type { ClientFrame, Request } from '../protocol/lockkeeper.js'
import { RefusedError } from './errors.js'
import type { Clock } from './ports.js'

/** The server takes frames of 4 MiB; sizes here are upper bounds, so this leaves no doubt. */
const FRAME_BYTES_MAX = 3.5 * 1024 * 1024

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
    if (bytes + more > FRAME_BYTES_MAX) {
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
  let bytes = 192
  for (const text of textsOf(operation)) bytes += 8 + text.length * 3
  return bytes
}

/** All of it that has no bounds of its own. */
function textsOf(operation: Request['operation']): readonly string[] {
  switch (operation?.$case) {
    case 'acquire': {
      const { names, label, terms } = operation.value
      return terms === undefined
        ? [label, ...names]
        : [label, ...names, terms.data, terms.owner, terms.fingerprint ?? '']
    }
    case 'release':
      return [operation.value.result?.data ?? '']
    case 'update':
      return [operation.value.data]
    case 'forceRelease':
    case 'requestRelease':
    case 'suspend':
    case 'resume':
      return [operation.value.name, operation.value.note]
    default:
      return []
  }
}
