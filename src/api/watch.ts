import { emptyView } from '../machine/inspection/views.js'
import * as wire from '../protocol/lockkeeper.js'
import type { Timer } from '../replica/ports.js'
import type { DoorParts } from './door-parts.js'
import { changeState, nameState } from './states.js'

/** Bytes of changes in one part; at least one goes. */
const PART_BYTES_MAX = 256 * 1024
/** After so long whoever watches a quiet name is told how far the others are: from there it can go on elsewhere. */
const REMINDER_MS = 10_000

type Parts = Pick<DoorParts, 'attachments' | 'clock' | 'replica'>

/**
 * One client that watches one name, at its own pace: one part is under way at a time, and the next is made of what is
 * remembered then. So a client that does not read costs no more than that part. If what it has not been told is
 * forgotten meanwhile, it is told the state instead.
 */
export class Watch {
  readonly #parts: Parts
  readonly #name: string
  readonly #put: (part: wire.WatchPart) => Promise<void>
  readonly #onFailed: (error: unknown) => void
  readonly #stopListening: () => void
  /** All up to here has been told; undefined: nothing yet. */
  #told: number | undefined
  /** The first change of the name that may be untold. */
  #next: number | undefined
  #isReminderDue = false
  #isBusy = false
  #isOver = false
  #reminder: Timer

  /**
   * Begins at once with the state, or with what came after the revision, be it nothing. `onFailed` is called if a part can't
   * be made, or put.
   */
  constructor(
    parts: Parts,
    name: string,
    afterRevision: number | undefined,
    put: (part: wire.WatchPart) => Promise<void>,
    onFailed: (error: unknown) => void,
  ) {
    this.#parts = parts
    this.#name = name
    this.#put = put
    this.#onFailed = onFailed
    this.#told = afterRevision
    this.#next = afterRevision === undefined ? undefined : afterRevision + 1
    this.#stopListening = parts.attachments.history.watch(name, (revision) => this.#wake(revision))
    this.#reminder = this.#remindLater()
    this.#tellSoon()
  }

  stop(): void {
    this.#isOver = true
    this.#stopListening()
    this.#reminder.cancel()
  }

  #wake(revision: number | undefined): void {
    if (revision === undefined) this.#isReminderDue = true
    else this.#next ??= revision
    this.#tellSoon()
  }

  #remindLater(): Timer {
    return this.#parts.clock.after(REMINDER_MS, () => {
      this.#reminder = this.#remindLater()
      this.#wake(undefined)
    })
  }

  /** All of one turn of the event loop goes in one part. */
  #tellSoon(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    this.#parts.clock.soon(() => void this.#tell().catch(this.#onFailed))
  }

  async #tell(): Promise<void> {
    for (let part = this.#part(); part !== undefined; part = this.#part()) {
      this.#told = part.revision
      await this.#put(part)
    }
    this.#isBusy = false
  }

  /** What is to be told now; undefined: nothing. */
  #part(): wire.WatchPart | undefined {
    if (this.#isOver) return undefined
    const { attachments, replica } = this.#parts
    const { machine } = replica
    const { revision } = machine
    const isReminderDue = this.#isReminderDue
    this.#isReminderDue = false
    if (this.#told === undefined || !attachments.history.covers(this.#told, revision)) {
      this.#next = undefined
      const view = machine.name(this.#name) ?? emptyView(this.#name)
      return {
        state: nameState(view, machine, attachments.usage, replica.clusterNow()),
        changes: [],
        revision,
      }
    }
    if (this.#next !== undefined) return this.#changes(this.#next, revision)
    return isReminderDue && this.#told < revision ? { state: undefined, changes: [], revision } : undefined
  }

  #changes(from: number, to: number): wire.WatchPart {
    const { attachments, replica } = this.#parts
    const now = replica.clusterNow()
    const changes: wire.Change[] = []
    let bytes = 0
    for (const change of attachments.history.of(this.#name, from)) {
      if (bytes > PART_BYTES_MAX) {
        this.#next = change.revision
        return { state: undefined, changes, revision: change.revision - 1 }
      }
      const told = changeState(change, replica.machine, now)
      bytes += wire.Change.encode(told).finish().length
      changes.push(told)
    }
    this.#next = undefined
    return { state: undefined, changes, revision: to }
  }
}
