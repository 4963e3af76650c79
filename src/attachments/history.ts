import type { Change } from '../machine/changes.js'
import { LIMITS } from '../machine/language/limits.js'
import { Listeners } from './listeners.js'

/** The revision of a change of the name; undefined: there was none, but so many of others that it is time to say so. */
export type Wake = (revision: number | undefined) => void

/**
 * The newest changes of all names that this node has applied, for those who watch a name. What it remembers has no gap:
 * when the machine has leapt over some, by a peer's snapshot or at the start, what was before is forgotten.
 */
export class History {
  /** Each at its revision modulo the size of the ring. */
  readonly #ring = new Array<Change | undefined>(LIMITS.changesMax)
  readonly #watchers = new Listeners<string, number | undefined>()
  #oldest = 1
  #newest = 0
  /** Characters of data of all that it remembers. */
  #dataLength = 0

  /** As the machine applied them. */
  onChanges(changes: readonly Change[]): void {
    if (changes.length === 0) return
    const before = this.#newest
    if (changes[0]!.revision !== this.#newest + 1) this.#forgetAll(changes[0]!.revision)
    for (const change of changes) this.#remember(change)
    for (const { name, revision } of changes) this.#watchers.tell(name, revision)
    if (half(before) !== half(this.#newest)) this.#watchers.tellAll(undefined)
  }

  /** Whether all changes after `from` up to `to` are here. */
  covers(from: number, to: number): boolean {
    return from === to || (to === this.#newest && from >= this.#oldest - 1)
  }

  /** Those of `name` from `revision` on, in order; what is older than all that is remembered is left out. */
  *of(name: string, revision: number): Generator<Change, void> {
    for (let at = Math.max(revision, this.#oldest); at <= this.#newest; at++) {
      const change = this.#ring[at % LIMITS.changesMax]!
      if (change.name === name) yield change
    }
  }

  /** `wake` is called when there is something to tell. Returns how to stop watching. */
  watch(name: string, wake: Wake): () => void {
    return this.#watchers.add(name, wake)
  }

  #remember(change: Change): void {
    this.#dataLength += change.data.length
    this.#newest = change.revision
    const isFull = this.#newest - this.#oldest === LIMITS.changesMax
    if (isFull) this.#forgetOldest()
    this.#ring[change.revision % LIMITS.changesMax] = change
    while (this.#dataLength > LIMITS.dataLengthMax) this.#forgetOldest()
  }

  #forgetOldest(): void {
    const place = this.#oldest++ % LIMITS.changesMax
    this.#dataLength -= this.#ring[place]!.data.length
    this.#ring[place] = undefined
  }

  #forgetAll(next: number): void {
    this.#ring.fill(undefined)
    this.#dataLength = 0
    this.#oldest = next
    this.#newest = next - 1
  }
}

/** In which half of the ring a revision is, counted from the first one ever. */
function half(revision: number): number {
  return Math.floor((2 * revision) / LIMITS.changesMax)
}
