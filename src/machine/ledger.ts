/**
 * What has changed since the last checkpoint. A checkpoint is of one moment, though it is taken in slices: what is about
 * to change before its slice comes is written down first. Its cost is what changed, not what exists; what came and went
 * between two checkpoints costs nothing.
 */
import { assert } from './assert.js'
import { changeOf, type RecordChange, type Recorded } from './records.js'

export class Ledger {
  #dirty = new Set<Recorded>()
  #frozen = new Set<Recorded>()
  /** Over the frozen. One that began anew would pass over the gaps of all that was taken before. */
  #next = this.#frozen.values()
  /** Changed since they were frozen, or taken. */
  #written: RecordChange[] = []

  /** Things that changed since the last freeze. */
  get size(): number {
    return this.#dirty.size
  }

  /** To be called before a thing changes, or as soon as it is there. */
  touch(thing: Recorded): void {
    if (this.#frozen.delete(thing)) this.#write(thing)
    this.#dirty.add(thing)
  }

  /** To be called before a thing goes; it never changes again. */
  remove(thing: Recorded): void {
    this.touch(thing)
    thing.isGone = true
    if (!thing.isRecorded) this.#dirty.delete(thing)
  }

  /** All that is dirty now belongs to the next checkpoint, as it is now. */
  freeze(): void {
    assert(this.#frozen.size + this.#written.length === 0, 'one checkpoint at a time')
    this.#frozen = this.#dirty
    this.#next = this.#frozen.values()
    this.#dirty = new Set()
  }

  /** Up to `max` changes of the frozen moment; none: that was all. */
  take(max: number): readonly RecordChange[] {
    while (this.#written.length < max) {
      const { value: thing } = this.#next.next()
      if (thing === undefined) break
      this.#frozen.delete(thing)
      this.#write(thing)
    }
    return this.#written.splice(0, max)
  }

  #write(thing: Recorded): void {
    this.#written.push(changeOf(thing))
    thing.isRecorded = !thing.isGone
  }
}
