import { FairQueue } from '../platform/fair-queue.js'
import { type Chunk, isOfLeader } from './ports.js'

/** Of all nodes, which share it fairly. */
const INBOX_BYTES_MAX = 64 * 1024 * 1024
/** From which on an entry takes no further chunk. */
const ENTRY_BYTES = 512 * 1024
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

  /** What makes one entry; the rest waits for the disk once more. */
  takeEntry(): Chunk[] {
    const chunks = this.#own
    this.#own = []
    for (let bytes = 0; bytes < ENTRY_BYTES; ) {
      const taken = this.#chunks.take()
      if (taken === undefined) break
      chunks.push(taken.item)
      bytes += taken.bytes
    }
    return chunks
  }

  clear(): void {
    this.#own = []
    this.#chunks.clear()
  }
}
