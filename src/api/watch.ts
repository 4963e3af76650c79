import type { EncodedPart, WatchedName, WatchSurroundings } from './watched-name.js'

/** What a round of news is about: changes from `first` to `last`, or a reminder of how far the others are. */
interface News {
  readonly first: number | undefined
  readonly last: number
  readonly isReminder: boolean
}

/**
 * One client that watches one name, at its own pace: one part is on its way at a time, and the next is made of what is
 * remembered then. So a client that does not read costs no more than that part. If what it has not been told is
 * forgotten meanwhile, it is told the state instead.
 */
export class Watch {
  readonly #surroundings: WatchSurroundings
  readonly #name: WatchedName
  readonly #put: (part: Buffer) => Promise<void>
  readonly #onFailed: (error: unknown) => void
  /** All up to here has been told; undefined: nothing yet. */
  #told: number | undefined
  /** The first change of the name that may be untold, and up to where others may be. */
  #next: number | undefined
  #last: number
  #isReminderDue = false
  #isBusy = false
  #isOver = false

  /**
   * Begins at once with the state, or with what came after the revision, be it nothing. `onFailed` is called if a part can't
   * be made, or put.
   */
  constructor(
    surroundings: WatchSurroundings,
    name: WatchedName,
    afterRevision: number | undefined,
    put: (part: Buffer) => Promise<void>,
    onFailed: (error: unknown) => void,
  ) {
    this.#surroundings = surroundings
    this.#name = name
    this.#put = put
    this.#onFailed = onFailed
    this.#told = afterRevision
    this.#next = afterRevision === undefined ? undefined : afterRevision + 1
    this.#last = surroundings.replica.machine.revision
    name.add(this)
    this.#tellSoon()
  }

  stop(): void {
    this.#isOver = true
    this.#name.remove(this)
  }

  told({ first, last, isReminder }: News): void {
    this.#isReminderDue ||= isReminder
    if (first !== undefined && last > (this.#told ?? 0)) {
      this.#next ??= Math.max(first, (this.#told ?? 0) + 1)
      this.#last = last
    }
    if (!this.#isBusy) this.#tell()
  }

  #tellSoon(): void {
    this.#isBusy = true
    this.#surroundings.workQueue.add(this, () => {
      this.#isBusy = false
      this.#tell()
      return false
    })
  }

  #tell(): void {
    if (this.#isOver) return
    try {
      const part = this.#part()
      if (part === undefined) return
      this.#told = part.revision
      this.#next = part.rest
      this.#isBusy = true
      this.#put(part.bytes).then(() => this.#taken(), this.#onFailed)
    } catch (error) {
      this.#onFailed(error)
    }
  }

  #taken(): void {
    this.#isBusy = false
    if (this.#next !== undefined || this.#isReminderDue) this.#tellSoon()
  }

  /** What is to be told now; undefined: nothing. */
  #part(): EncodedPart | undefined {
    const { attachments, replica } = this.#surroundings
    const { revision } = replica.machine
    const isReminderDue = this.#isReminderDue
    this.#isReminderDue = false
    if (this.#told === undefined || !attachments.history.covers(this.#told, revision))
      return this.#name.state()
    if (this.#next !== undefined) return this.#name.changes(this.#next, this.#last)
    const isBehind = isReminderDue && this.#told < revision
    // Not only the revision: changes up to it may wait for the next round.
    return isBehind ? this.#name.changes(this.#told + 1, revision) : undefined
  }
}
