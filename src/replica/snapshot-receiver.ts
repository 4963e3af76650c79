import type { LogIndex, LogStart, NodeId } from '../../raft/index.js'
import { DamagedSnapshotError, type RecordStore, type Staging, type Transport } from './ports.js'

export interface SnapshotReceiverHandlers {
  /** Up to here this node has everything: an older snapshot is of no use to it. */
  readonly appliedIndex: () => LogIndex
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
  /** One thing at a time; what comes meanwhile is dropped, and will be offered again. */
  #busy = false
  #settled: Promise<void> = Promise.resolve()

  constructor(records: RecordStore, transport: Transport, handlers: SnapshotReceiverHandlers) {
    this.#records = records
    this.#transport = transport
    this.#handlers = handlers
  }

  offered(from: NodeId, start: LogStart): void {
    this.#do(async () => {
      if (start.index <= this.#handlers.appliedIndex()) return this.#want(from, start.index, undefined)
      if (this.#staging?.start.index !== start.index) {
        await this.#staging?.abandon()
        this.#staging = undefined
        this.#staging = await this.#records.openStaging(start)
      }
      await this.#goOn(from, this.#staging)
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
      if (staging.next !== expected) await this.#goOn(from, staging)
    })
  }

  /** Resolves when nothing is under way any more; what is not whole goes. Nothing may be offered after that. */
  async stop(): Promise<void> {
    await this.#settled
    this.#do(async () => this.#staging?.abandon())
    await this.#settled
  }

  async #goOn(from: NodeId, staging: Staging): Promise<void> {
    const { start, next } = staging
    if (next !== undefined) return this.#want(from, start.index, next)
    this.#staging = undefined
    try {
      await staging.complete()
    } catch (error) {
      if (!(error instanceof DamagedSnapshotError)) throw error
      // It will be offered anew, from the beginning.
      return staging.abandon()
    }
    await this.#handlers.install(staging)
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
