import { emptyView } from '../machine/inspection/views.js'
import * as wire from '../protocol/lockkeeper.js'
import type { Timer } from '../replica/ports.js'
import type { DoorParts } from './door-parts.js'
import { changeState, nameState } from './states.js'
import type { Watch } from './watch.js'

export type WatchSurroundings = Pick<DoorParts, 'attachments' | 'clock' | 'replica' | 'workQueue'>

/** A `WatchPart`, encoded. All up to `revision` has been told with it. */
export interface EncodedPart {
  readonly bytes: Buffer
  readonly revision: number
  /** The first change that did not fit. */
  readonly rest: number | undefined
}

/** Bytes of changes in one part; at least one goes. */
const PART_BYTES_MAX = 256 * 1024
/** A watcher of a quiet name is sent the current revision this often, so that it can resume from there at another node. */
const REMINDER_MS = 10_000
/** Parts that are kept for others who have the same to be told: some watchers lag a little. */
const PARTS_KEPT = 4
/** A state may be shown to others this long, unless something has happened meanwhile. */
const STATE_MS = 20

/** Changes since the last round. */
interface Round {
  first: number | undefined
  last: number
  isReminder: boolean
}

/** A name and those who watch it. A change costs little here; they are told in rounds, one watch per step of the work queue. */
export class WatchedName {
  readonly #surroundings: WatchSurroundings
  readonly #name: string
  readonly #watches = new Set<Watch>()
  readonly #stopListening: () => void
  readonly #parts: (EncodedPart & { readonly from: number })[] = []
  #state: { readonly part: EncodedPart; readonly index: number; readonly madeMs: number } | undefined
  #nextRound: Round | undefined
  #isInRound = false
  #reminder: Timer

  constructor(surroundings: WatchSurroundings, name: string) {
    this.#surroundings = surroundings
    this.#name = name
    this.#stopListening = surroundings.attachments.history.watch(name, (revision) => this.#wake(revision))
    this.#reminder = this.#remindLater()
  }

  get isWatched(): boolean {
    return this.#watches.size > 0
  }

  add(watch: Watch): void {
    this.#watches.add(watch)
  }

  remove(watch: Watch): void {
    this.#watches.delete(watch)
  }

  stop(): void {
    this.#stopListening()
    this.#reminder.cancel()
  }

  /** What the name is now. */
  state(): EncodedPart {
    const { attachments, clock, replica } = this.#surroundings
    const { appliedIndex: index, machine } = replica
    const nowMs = clock.nowMs()
    if (this.#state?.index === index && nowMs - this.#state.madeMs < STATE_MS) return this.#state.part
    const view = machine.name(this.#name) ?? emptyView(this.#name)
    const state = nameState(view, machine, attachments.usage, replica.clusterNow())
    const part = encoded({ state, changes: [], revision: machine.revision }, undefined)
    this.#state = { part, index, madeMs: nowMs }
    return part
  }

  /** What has changed from the revision `from` on, up to `last` at least, or as much of it as fits. */
  changes(from: number, last: number): EncodedPart {
    const kept = this.#parts.find(
      (part) => part.from === from && (part.rest !== undefined || part.revision >= last),
    )
    if (kept !== undefined) return kept
    const part = { from, ...this.#changes(from) }
    this.#parts.push(part)
    if (this.#parts.length > PARTS_KEPT) this.#parts.shift()
    return part
  }

  #changes(from: number): EncodedPart {
    const { attachments, replica } = this.#surroundings
    const now = replica.clusterNow()
    const changes: wire.Change[] = []
    let bytes = 0
    for (const change of attachments.history.of(this.#name, from)) {
      if (bytes > PART_BYTES_MAX)
        return encoded({ state: undefined, changes, revision: change.revision - 1 }, change.revision)
      changes.push(changeState(change, replica.machine, now))
      bytes += change.data.length
    }
    return encoded({ state: undefined, changes, revision: replica.machine.revision }, undefined)
  }

  /** Of a change, or undefined: there were many of other names. */
  #wake(revision: number | undefined): void {
    this.#nextRound ??= { first: undefined, last: 0, isReminder: false }
    if (revision === undefined) this.#nextRound.isReminder = true
    else {
      this.#nextRound.first ??= revision
      this.#nextRound.last = revision
    }
    if (this.#isInRound) return
    this.#isInRound = true
    this.#surroundings.workQueue.add(this, this.#rounds())
  }

  /** Watchers may be added or removed meanwhile: one that knows more than this round is skipped. */
  #rounds(): () => boolean {
    let round = this.#takeRound()
    let watches = this.#watches.values()
    return () => {
      const { done, value } = watches.next()
      if (!done) value.told(round)
      else if (this.#nextRound !== undefined) {
        round = this.#takeRound()
        watches = this.#watches.values()
      } else this.#isInRound = false
      return this.#isInRound
    }
  }

  #takeRound(): Round {
    const round = this.#nextRound!
    this.#nextRound = undefined
    return round
  }

  #remindLater(): Timer {
    return this.#surroundings.clock.after(REMINDER_MS, () => {
      this.#reminder = this.#remindLater()
      this.#wake(undefined)
    })
  }
}

function encoded(part: wire.WatchPart, rest: number | undefined): EncodedPart {
  return { bytes: Buffer.from(wire.WatchPart.encode(part).finish()), revision: part.revision, rest }
}
