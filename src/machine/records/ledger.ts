/**
 * What has changed since the last checkpoint. A checkpoint is of one moment, though it is taken in slices: what is about
 * to change before its slice comes is written down first. Its cost is what changed, not what exists; what came and went
 * between two checkpoints costs nothing.
 */
import { assert } from '../assert.js'
import { changeOf, type RecordChange, type Recorded } from './records.js'

/**
 * Things on one page. A Set that is full moves all that is in it to a new table: one of all that a checkpoint has stood
 * still for 40 ms at a quarter of a million things, and for twice as long at each doubling.
 */
const PAGE_MAX = 4_096

/** Some of what changed between the same two checkpoints. */
export class Page {
  readonly things = new Set<Recorded>()

  /** Numbered from 0, by the checkpoint that is to have them. */
  constructor(readonly checkpoint: number) {}
}

export class Ledger {
  /** The next to begin: what is on a page of an earlier one is frozen. */
  #checkpoint = 0
  #pages: Page[] = []
  #size = 0
  #frozen = 0
  /** Over the frozen. One that began anew would pass over the gaps of all that was taken before. */
  #next = thingsOf([])
  /** Changed since they were frozen, or taken. */
  #written: RecordChange[] = []

  /** Things that changed since the last freeze. */
  get size(): number {
    return this.#size
  }

  /** Changes of the frozen moment that are still to be taken. */
  get untaken(): number {
    return this.#frozen + this.#written.length
  }

  /** Of those, the ones of things that have changed since then: they are kept twice until they are taken. */
  get overtaken(): number {
    return this.#written.length
  }

  /** To be called before a thing changes, or as soon as it is there. */
  touch(thing: Recorded): void {
    if (thing.page?.checkpoint === this.#checkpoint) return
    if (thing.page !== undefined) this.#write(thing)
    this.#note(thing)
  }

  /** To be called before a thing goes; it never changes again. */
  remove(thing: Recorded): void {
    this.touch(thing)
    thing.isGone = true
    if (thing.isRecorded) return
    strike(thing)
    this.#size--
  }

  /** All that is dirty now belongs to the next checkpoint, as it is now. */
  freeze(): void {
    assert(this.untaken === 0, 'one checkpoint at a time')
    this.#next = thingsOf(this.#pages)
    this.#frozen = this.#size
    this.#pages = []
    this.#size = 0
    this.#checkpoint++
  }

  /** Up to `max` changes of the frozen moment; none: that was all. */
  take(max: number): readonly RecordChange[] {
    while (this.#written.length < max) {
      const { value: thing } = this.#next.next()
      if (thing === undefined) break
      this.#write(thing)
    }
    return this.#written.splice(0, max)
  }

  #note(thing: Recorded): void {
    let page = this.#pages.at(-1)
    if (page === undefined || page.things.size >= PAGE_MAX) {
      page = new Page(this.#checkpoint)
      this.#pages.push(page)
    }
    page.things.add(thing)
    thing.page = page
    this.#size++
  }

  /** It is frozen. */
  #write(thing: Recorded): void {
    strike(thing)
    this.#frozen--
    this.#written.push(changeOf(thing))
    thing.isRecorded = !thing.isGone
  }
}

function strike(thing: Recorded): void {
  thing.page!.things.delete(thing)
  thing.page = undefined
}

function* thingsOf(pages: readonly Page[]): Generator<Recorded, undefined> {
  for (const { things } of pages) yield* things
}
