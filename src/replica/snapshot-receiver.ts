import type { LogIndex, LogStart, NodeId } from '../../raft/index.js'
import { DamagedSnapshotError, type RecordStore, type Staging, type Transport } from './ports.js'

/**
 * Offered so often, and no chunk that it wants has come: the sender cuts its snapshot into other chunks than the one from which
 * the first ones came, as another version may. It has no chunk of that number, or it is not the one that follows.
 */
const OFFERS_MAX = 10

export interface SnapshotReceiverHandlers {
  /** Up to here this node has everything, applied or not: an older snapshot is of no use to it. */
  readonly commitIndex: () => LogIndex
  /** A snapshot is here, whole and durable. Resolves when it is in force, or has become useless. */
  readonly install: (staging: Staging) => Promise<void>
  readonly onFailed: (error: unknown) => void
}

/** Takes in a peer's checkpoint, chunk by chunk, beside the one in force; asks for what is missing. */
export class SnapshotReceiver {
  readonly #records: RecordStore
  readonly #transport: Transport
  readonly #handlers: SnapshotReceiverHandlers
  #staging: Staging | undefined
  /** Of what is staged, since a chunk of it came. */
  #offers = 0
  /** It is whole, and being put in place; `last` is its last chunk. */
  #installing: { readonly index: LogIndex; readonly last: number } | undefined
  /** One thing at a time; what comes meanwhile is dropped, and will be offered again. */
  #busy = false
  #settled: Promise<void> = Promise.resolve()

  constructor(records: RecordStore, transport: Transport, handlers: SnapshotReceiverHandlers) {
    this.#records = records
    this.#transport = transport
    this.#handlers = handlers
  }

  offered(from: NodeId, start: LogStart): void {
    // A sender that hears nothing gives up, and no longer keeps the log that is needed behind its snapshot.
    if (this.#installing?.index === start.index) return this.#want(from, start.index, this.#installing.last)
    this.#do(async () => {
      if (start.index <= this.#handlers.commitIndex()) return this.#want(from, start.index, undefined)
      if (this.#staging?.start.index !== start.index || ++this.#offers > OFFERS_MAX) {
        this.#offers = 0
        await this.#staging?.abandon()
        this.#staging = undefined
        this.#staging = await this.#records.openStaging(start)
      }
      this.#want(from, start.index, this.#staging.next)
    })
  }

  received(from: NodeId, index: LogIndex, data: Uint8Array): void {
    const staging = this.#staging
    if (staging === undefined || staging.start.index !== index) return
    this.#do(async () => {
      const expected = staging.next
      try {
        await staging.put(data)
      } catch (error) {
        if (!(error instanceof DamagedSnapshotError)) throw error
      }
      // Whoever asks again for each copy of a chunk gets ever more copies; what is missing will be offered again.
      if (staging.next === expected || expected === undefined) return
      this.#offers = 0
      if (staging.next === undefined) await this.#complete(from, staging, expected)
      else this.#want(from, index, staging.next)
    })
  }

  /** Resolves when nothing is under way any more; what is not whole goes. Nothing may be offered after that. */
  async stop(): Promise<void> {
    await this.#settled
    this.#do(async () => this.#staging?.abandon())
    await this.#settled
  }

  async #complete(from: NodeId, staging: Staging, last: number): Promise<void> {
    const { start } = staging
    this.#staging = undefined
    try {
      await staging.complete()
    } catch (error) {
      if (!(error instanceof DamagedSnapshotError)) throw error
      // It will be offered anew, from the beginning.
      return staging.abandon()
    }
    this.#installing = { index: start.index, last }
    await this.#handlers.install(staging)
    this.#installing = undefined
    this.#want(from, start.index, undefined)
  }

  #want(from: NodeId, index: LogIndex, sequence: number | undefined): void {
    this.#transport.send(from, { kind: 'snapshot_want', index, sequence })
  }

  #do(action: () => Promise<void>): void {
    if (this.#busy) return
    this.#busy = true
    this.#settled = action().then(
      () => {
        this.#busy = false
      },
      (error: unknown) => this.#handlers.onFailed(error),
    )
  }
}
