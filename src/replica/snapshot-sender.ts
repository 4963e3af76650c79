import type { LogIndex, NodeId } from '../../raft/index.js'
import type { Clock, RecordStore, SnapshotChunk, SnapshotSource, Timer, Transport } from './ports.js'

/** A receiver that says nothing for so long is asked again, and after a few times left to Raft, which will ask anew. */
const PATIENCE_MS = 1_000
const ATTEMPTS_MAX = 5

interface Sending {
  readonly source: SnapshotSource
  timer: Timer | undefined
  attempts: number
  /** Chunks read so far. */
  read: number
  /** A chunk is being read. */
  busy: boolean
}

/**
 * Gives the newest checkpoint to followers that need what the log no longer has. They ask for chunk after chunk, so that a
 * slow one is never sent more than it takes, and one that comes back goes on where it was.
 */
export class SnapshotSender {
  readonly #records: RecordStore
  readonly #transport: Transport
  readonly #clock: Clock
  readonly #onEnded: (peer: NodeId) => void
  readonly #opening = new Set<NodeId>()
  readonly #sending = new Map<NodeId, Sending>()

  constructor(records: RecordStore, transport: Transport, clock: Clock, onEnded: (peer: NodeId) => void) {
    this.#records = records
    this.#transport = transport
    this.#clock = clock
    this.#onEnded = onEnded
  }

  /**
   * The oldest snapshot under way ends with this entry: whoever gets it needs the log from there on. Infinity: none; 0: one
   * is being opened, and may be any.
   */
  get oldestIndex(): LogIndex {
    if (this.#opening.size > 0) return 0
    return Math.min(...[...this.#sending.values()].map(({ source }) => source.start.index))
  }

  /** Rejects never: `onEnded` is called in any case but after `stop`. */
  async send(peer: NodeId): Promise<void> {
    if (this.#sending.has(peer)) return
    this.#opening.add(peer)
    try {
      const source = await this.#records.openSnapshot()
      if (!this.#opening.delete(peer)) return await source.close()
      const sending: Sending = { source, timer: undefined, attempts: 0, read: 0, busy: false }
      this.#sending.set(peer, sending)
      this.#offer(peer, sending)
    } catch {
      if (this.#opening.delete(peer)) this.#onEnded(peer)
    }
  }

  /** The peer wants this chunk of the snapshot of `index`; `sequence` undefined: no more of it. */
  wanted(peer: NodeId, index: LogIndex, sequence: number | undefined): void {
    const sending = this.#sending.get(peer)
    if (sending === undefined || sending.source.start.index !== index) return
    if (sequence === undefined) this.#end(peer, sending)
    else if (!sending.busy) void this.#sendChunk(peer, sending, sequence)
  }

  /** This node leads no more: who needs a snapshot is the next leader's to know. */
  stop(): void {
    this.#opening.clear()
    for (const [peer, sending] of this.#sending) this.#end(peer, sending)
  }

  async #sendChunk(peer: NodeId, sending: Sending, sequence: number): Promise<void> {
    sending.busy = true
    try {
      const { data } = await read(sending, sequence)
      sending.busy = false
      sending.attempts = 0
      if (this.#sending.get(peer) !== sending) return
      this.#transport.send(peer, { kind: 'snapshot_chunk', index: sending.source.start.index, data })
      this.#wait(peer, sending)
    } catch {
      // The source broke off: this node installed a snapshot itself, or can't read its own, which its next load will find.
      this.#end(peer, sending)
    }
  }

  #offer(peer: NodeId, sending: Sending): void {
    this.#transport.send(peer, { kind: 'snapshot_offer', start: sending.source.start })
    this.#wait(peer, sending)
  }

  #wait(peer: NodeId, sending: Sending): void {
    sending.timer?.cancel()
    sending.timer = this.#clock.after(PATIENCE_MS, () => {
      if (++sending.attempts < ATTEMPTS_MAX) this.#offer(peer, sending)
      else this.#end(peer, sending)
    })
  }

  #end(peer: NodeId, sending: Sending): void {
    if (this.#sending.get(peer) !== sending) return
    this.#sending.delete(peer)
    sending.timer?.cancel()
    sending.source.close().catch(() => undefined)
    this.#onEnded(peer)
  }
}

/** Whoever has the first chunks from an earlier sending goes on after them, but a source is read from its beginning. */
async function read(sending: Sending, sequence: number): Promise<SnapshotChunk> {
  while (sending.read < sequence) await sending.source.chunk(sending.read++)
  sending.read = Math.max(sending.read, sequence + 1)
  return sending.source.chunk(sequence)
}
