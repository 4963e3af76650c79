import type {
  IgnoredReason,
  IgnoredRequest,
  Outgoing,
  Output,
  ReadVerdict,
  Request,
  Violation,
  ViolationReason,
} from './io.js'
import type { Message } from './message.js'
import type { LogIndex, NodeId } from './types.js'

const NONE: readonly never[] = Object.freeze([])

/** Collects the effects of one step, in order. A step without effects allocates nothing. */
export class Outbox {
  #send: Outgoing[] = []
  #sendAfterWrite: Outgoing[] = []
  #reads: ReadVerdict[] = []
  #snapshots: NodeId[] = []
  #ignored: IgnoredRequest[] = []
  #violations: Violation[] = []

  send(to: NodeId, message: Message): void {
    this.#send.push({ to, message })
  }

  /** For what promises something about this node's disk (§3.8): votes asked or given, entries accepted. */
  sendAfterWrite(to: NodeId, message: Message): void {
    this.#sendAfterWrite.push({ to, message })
  }

  answerRead(id: number, index: LogIndex | undefined): void {
    this.#reads.push({ id, index })
  }

  sendSnapshot(to: NodeId): void {
    this.#snapshots.push(to)
  }

  ignore(request: Request, reason: IgnoredReason): void {
    this.#ignored.push({ request, reason })
  }

  /** The first of a step tells enough of a peer. */
  violated(from: NodeId, reason: ViolationReason, message: string): void {
    if (this.#violations.some((known) => known.from === from)) return
    this.#violations.push({ from, reason, message })
  }

  /** Hands over the effects collected since the last call. */
  take(): Omit<Output, 'write' | 'committed' | 'status'> {
    const taken = {
      send: orNone(this.#send),
      sendAfterWrite: orNone(this.#sendAfterWrite),
      reads: orNone(this.#reads),
      snapshots: orNone(this.#snapshots),
      ignored: orNone(this.#ignored),
      violations: orNone(this.#violations),
    }
    if (this.#send.length > 0) this.#send = []
    if (this.#sendAfterWrite.length > 0) this.#sendAfterWrite = []
    if (this.#reads.length > 0) this.#reads = []
    if (this.#snapshots.length > 0) this.#snapshots = []
    if (this.#ignored.length > 0) this.#ignored = []
    if (this.#violations.length > 0) this.#violations = []
    return taken
  }
}

/** The collecting array stays ours while it is empty: what the driver was given must not grow later. */
function orNone<T>(collected: readonly T[]): readonly T[] {
  return collected.length === 0 ? NONE : collected
}
