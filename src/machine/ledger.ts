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
    this.#dirty = new Set()
  }

  /** Up to `max` changes of the frozen moment, or all those that had to be written early; none: that was all. */
  take(max: number): readonly RecordChange[] {
    for (const thing of this.#frozen) {
      if (this.#written.length >= max) break
      this.#frozen.delete(thing)
      this.#write(thing)
    }
    const taken = this.#written
    this.#written = []
    return taken
  }

  #write(thing: Recorded): void {
    this.#written.push(changeOf(thing))
    thing.isRecorded = !thing.isGone
  }
}
