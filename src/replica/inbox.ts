import { FairQueue } from '../platform/fair-queue.js'
import { type Chunk, isOfLeader } from './ports.js'

/** Of all nodes, which share it fairly. */
const INBOX_BYTES_MAX = 64 * 1024 * 1024
/** From which on a write takes no further chunk. */
const WRITE_BYTES = 512 * 1024
/** From which on an entry takes no further chunk: to apply one is a few milliseconds' work, and it is done in one turn. */
const ENTRY_COMMANDS = 1_024
/** What a chunk costs beside its commands. */
const CHUNK_BYTES = 64

/**
 * Chunks that wait for the disk on a leader. It takes from each node in turn, so no node waits for the flood of another, and
 * what it says itself comes before all that.
 */
export class Inbox {
  readonly #chunks = new FairQueue<Chunk>(INBOX_BYTES_MAX)
  #own: Chunk[] = []

  get isEmpty(): boolean {
    return this.#own.length === 0 && this.#chunks.isEmpty
  }

  /** False: that node has its share here; its chunk is dropped, and it will repeat it. */
  push(chunk: Chunk): boolean {
    if (isOfLeader(chunk)) return this.#own.push(chunk) > 0
    return this.#chunks.push(chunk.origin, chunk, CHUNK_BYTES + chunk.commands.length)
  }

  /** The entries of one write; the rest waits for the disk once more. */
  takeEntries(): Chunk[][] {
    let entry = this.#own
    this.#own = []
    const entries = [entry]
    let commands = countOf(entry)
    for (let bytes = 0; bytes < WRITE_BYTES; ) {
      const taken = this.#chunks.take()
      if (taken === undefined) break
      if (commands >= ENTRY_COMMANDS) {
        entry = []
        entries.push(entry)
        commands = 0
      }
      entry.push(taken.item)
      commands += taken.item.count
      bytes += taken.bytes
    }
    return entries
  }

  clear(): void {
    this.#own = []
    this.#chunks.clear()
  }
}

function countOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, { count }) => sum + count, 0)
}
