import type { Outgoing, Output, ReadVerdict } from './io.js'
import type { Message } from './message.js'
import type { LogIndex, NodeId } from './types.js'

const NONE: readonly never[] = Object.freeze([])

/** Collects the effects of one step, in order. A step without effects allocates nothing. */
export class Outbox {
  #send: Outgoing[] = []
  #sendAfterWrite: Outgoing[] = []
  #reads: ReadVerdict[] = []
  #snapshots: NodeId[] = []

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

  /** Hands over the effects collected since the last call. */
  take(): Pick<Output, 'send' | 'sendAfterWrite' | 'reads' | 'snapshots'> {
    const taken = {
      send: orNone(this.#send),
      sendAfterWrite: orNone(this.#sendAfterWrite),
      reads: orNone(this.#reads),
      snapshots: orNone(this.#snapshots),
    }
    if (this.#send.length > 0) this.#send = []
    if (this.#sendAfterWrite.length > 0) this.#sendAfterWrite = []
    if (this.#reads.length > 0) this.#reads = []
    if (this.#snapshots.length > 0) this.#snapshots = []
    return taken
  }
}

/** The collecting array stays ours while it is empty: what the driver was given must not grow later. */
function orNone<T>(collected: readonly T[]): readonly T[] {
  return collected.length === 0 ? NONE : collected
}
