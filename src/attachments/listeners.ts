/** Who wants to be told something, by what it is about. */
export class Listeners<Key, Value> {
  readonly #byKey = new Map<Key, Set<(value: Value) => void>>()

  /** Returns how to stop listening. */
  add(key: Key, listener: (value: Value) => void): () => void {
    const listeners = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#byKey.get(key) === listeners) this.#byKey.delete(key)
    }
  }

  tell(key: Key, value: Value): void {
    const listeners = this.#byKey.get(key)
    if (listeners !== undefined) for (const listener of listeners) listener(value)
  }

  /** Tells the last there is to tell about it. */
  tellLast(key: Key, value: Value): void {
    const listeners = this.#byKey.get(key)
    if (listeners === undefined) return
    this.#byKey.delete(key)
    for (const listener of listeners) listener(value)
  }

  /** Whatever they listen for. */
  tellAll(value: Value): void {
    for (const key of [...this.#byKey.keys()]) this.tell(key, value)
  }
}
