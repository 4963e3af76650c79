/**
 * A map of many entries. A Map that is full moves all that is in it to a new table, a million entries in a tenth of a
 * second or more, and does so again and again while entries come and go. Here there are many small ones, each of which
 * moves in less than a millisecond; keys are dealt out among them as if at random, so that they do not move together.
 */
const SHARDS = 256

export class ShardedMap<K extends number | string, V> {
  /** Each as soon as something is in it: where there is little, there is no more than that. */
  readonly #shards = new Array<Map<K, V> | undefined>(SHARDS).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: K): V | undefined {
    return this.#shards[placeOf(key)]?.get(key)
  }

  set(key: K, value: V): void {
    const place = placeOf(key)
    const shard = this.#shards[place] ?? new Map<K, V>()
    this.#shards[place] = shard
    const before = shard.size
    shard.set(key, value)
    this.#size += shard.size - before
  }

  delete(key: K): void {
    if (this.#shards[placeOf(key)]?.delete(key)) this.#size--
  }

  /** In no order that means anything. */
  *values(): IterableIterator<V> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard.values()
  }
}

function placeOf(key: number | string): number {
  return finished(typeof key === 'number' ? key : hashOf(key)) % SHARDS
}

function hashOf(text: string): number {
  let hash = text.length
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x5bd1e995)
  return hash
}

/** As in MurmurHash3: numbers that follow on each other come to be anywhere. */
function finished(hash: number): number {
  let h = hash | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
