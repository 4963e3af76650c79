import { minus, NO_RECORDS, plus, type Totals } from './totals.js'

const SHARDS = 256
const FIRST_CAPACITY = 16
/** A shard grows when it is fuller than this. */
const FILL_MAX = 0.75
/** A cell: two words of the key's hash, then the checksum. A free cell has a hash of 0. */
const CELL_WORDS = 3

/**
 * The checksum of every record on disk, by key. LevelDB may lose a record, keep one that was deleted, or give an older
 * value for a newer one, each with a good checksum of its own; the totals over all of them tell. To keep those totals,
 * the checksum that a change replaces must be known: this table has it in 16 to 32 bytes a record, outside the heap and
 * without reading from disk. It knows keys by 64 bits of hash: among ten million, two are taken for one in one of 400,000
 * clusters, which a load then calls damage.
 *
 * It grows shard by shard, so that no growth is long.
 */
export class Checksums {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard())
  #totals = NO_RECORDS

  get totals(): Totals {
    return this.#totals
  }

  set(key: string, checksum: number): void {
    const { low, high } = hashOf(key)
    const replaced = this.#shards[high % SHARDS]!.set(low, high, checksum)
    if (replaced !== undefined) this.#totals = minus(this.#totals, replaced)
    this.#totals = plus(this.#totals, checksum)
  }

  delete(key: string): void {
    const { low, high } = hashOf(key)
    const deleted = this.#shards[high % SHARDS]!.delete(low, high)
    if (deleted !== undefined) this.#totals = minus(this.#totals, deleted)
  }
}

/** Open addressing, linear probing. */
class Shard {
  #cells = new Uint32Array(FIRST_CAPACITY * CELL_WORDS)
  #used = 0

  /** The checksum that was there. */
  set(low: number, high: number, checksum: number): number | undefined {
    const at = this.#find(low, high)
    if (this.#cells[at] !== 0) {
      const replaced = this.#cells[at + 2]
      this.#cells[at + 2] = checksum
      return replaced
    }
    this.#put(at, low, high, checksum)
    if (++this.#used > this.#capacity * FILL_MAX) this.#grow()
    return undefined
  }

  /** The checksum that was there. What was put behind the hole because its place was taken moves up. */
  delete(low: number, high: number): number | undefined {
    let hole = this.#find(low, high)
    if (this.#cells[hole] === 0) return undefined
    const deleted = this.#cells[hole + 2]
    for (let at = this.#after(hole); this.#cells[at] !== 0; at = this.#after(at)) {
      const home = this.#home(this.#cells[at]!)
      if (this.#distance(home, at) < this.#distance(hole, at)) continue
      this.#cells.copyWithin(hole, at, at + CELL_WORDS)
      hole = at
    }
    this.#cells[hole] = 0
    this.#used--
    return deleted
  }

  get #capacity(): number {
    return this.#cells.length / CELL_WORDS
  }

  /** The key's cell, or the free one where it belongs. */
  #find(low: number, high: number): number {
    let at = this.#home(low)
    while (this.#cells[at] !== 0 && (this.#cells[at] !== low || this.#cells[at + 1] !== high))
      at = this.#after(at)
    return at
  }

  #grow(): void {
    const before = this.#cells
    this.#cells = new Uint32Array(before.length * 2)
    for (let at = 0; at < before.length; at += CELL_WORDS) {
      if (before[at] === 0) continue
      const [low, high, checksum] = before.subarray(at, at + CELL_WORDS)
      this.#put(this.#find(low!, high!), low!, high!, checksum!)
    }
  }

  #put(at: number, low: number, high: number, checksum: number): void {
    this.#cells[at] = low
    this.#cells[at + 1] = high
    this.#cells[at + 2] = checksum
  }

  #home(low: number): number {
    return (low % this.#capacity) * CELL_WORDS
  }

  #after(at: number): number {
    return at + CELL_WORDS === this.#cells.length ? 0 : at + CELL_WORDS
  }

  /** From `from` on to `to`, around the end. */
  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.#cells.length
  }
}

/** Two lanes, each mixed as in MurmurHash3; `low` is never 0. */
function hashOf(key: string): { low: number; high: number } {
  let low = key.length
  let high = ~key.length
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    low = Math.imul(low ^ unit, 0xcc9e2d51)
    low ^= low >>> 15
    high = Math.imul(high ^ unit, 0x1b873593)
    high ^= high >>> 13
  }
  return { low: finished(low) || 1, high: finished(high) }
}

function finished(lane: number): number {
  let h = lane
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
