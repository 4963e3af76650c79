/** Keys of one chunk; where one more comes, it is split in two. */
const CHUNK_MAX = 512
/** Changes that are put in order at once, one or two microseconds' work for each. */
const CHANGED_MAX = 1_024

/**
 * The keys of a map in ascending order, so that a page of them costs what it returns, however many there are. Keys come and go far
 * more often than anybody reads them in order. So a change is only noted, and a key that comes and goes again and again is one note;
 * notes are put in order when somebody reads, or when there are many.
 */
export class OrderedKeys<K extends number | string> {
  readonly #has: (key: K) => boolean
  /** In order, and each in order; none is empty. */
  readonly #chunks: K[][] = []
  readonly #changed = new Set<K>()

  /** `has` tells whether the map has a key now. */
  constructor(has: (key: K) => boolean) {
    this.#has = has
  }

  /** The map has a key that it did not have, or the reverse. */
  changed(key: K): void {
    this.#changed.add(key)
    if (this.#changed.size >= CHANGED_MAX) this.#settle()
  }

  /** Those that are not before `first`, in order. The map must not change meanwhile. */
  *from(first: K): Generator<K, void> {
    this.#settle()
    let chunk = this.#chunkOf(first)
    let index = lowerBound(this.#chunks[chunk] ?? [], (key) => key < first)
    for (; chunk < this.#chunks.length; chunk++, index = 0) {
      const keys = this.#chunks[chunk]!
      for (; index < keys.length; index++) yield keys[index]!
    }
  }

  #settle(): void {
    for (const key of this.#changed) this.#put(key, this.#has(key))
    this.#changed.clear()
  }

  #put(key: K, isThere: boolean): void {
    const at = this.#chunkOf(key)
    const keys = this.#chunks[at] ?? []
    const index = lowerBound(keys, (each) => each < key)
    if ((keys[index] === key) === isThere) return
    if (isThere) this.#insert(at, keys, index, key)
    else if (keys.length === 1) this.#chunks.splice(at, 1)
    else keys.splice(index, 1)
  }

  #insert(at: number, keys: K[], index: number, key: K): void {
    if (keys.length === 0) this.#chunks.push(keys)
    keys.splice(index, 0, key)
    if (keys.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, keys.splice(CHUNK_MAX / 2))
  }

  /** Where the key is, or would be: the last chunk that does not begin after it. */
  #chunkOf(key: K): number {
    return Math.max(0, lowerBound(this.#chunks, (keys) => keys[0]! <= key) - 1)
  }
}

/** How many of these are before what is looked for: `isBefore` holds for them, and not for any behind them. */
function lowerBound<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}
