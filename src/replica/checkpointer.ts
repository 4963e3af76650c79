import { type Entry, entryBytes, type LogIndex, type LogStart } from '../../raft/index.js'
import type { Machine } from '../machine/machine.js'
import type { Backup, CheckpointDraft, Clock, NodeDisk, Timer } from './ports.js'
import { encodeChange } from './record-codec.js'

/** Records encoded at a time, a millisecond's work or two; then it rests, because requests come first. */
const SLICE_RECORDS = 500
const REST_MS = { least: 4, most: 20 } as const
/**
 * Of what the log grows from one checkpoint to the next: while it does, one is written, so that requests never pay for much at
 * once. The rest is for putting it on disk. As PostgreSQL's `checkpoint_completion_target`.
 */
const SHARE_OF_INTERVAL = 0.8
/** From an entry about members or disks to a checkpoint that has it: others often follow. */
const MEMBERS_MS = 1_000
/** What an orderly stop may wait for its checkpoint: twice what changes within a usual interval takes. */
const LAST_MS_MAX = 1_000

/** A machine, and the entry it has applied last. */
export interface Place {
  readonly machine: Machine
  readonly start: LogStart
}

interface UnderWay extends Place {
  readonly draft: CheckpointDraft
  /** In the draft. */
  changes: number
  /** Who wants this very checkpoint. */
  readonly wishes: readonly Wish[]
  readonly at: number
  readonly nextToken: number
  readonly beganMs: number
  isWhole: boolean
}

/** For a checkpoint before its time. */
interface Wish {
  readonly place: () => Place
  /** It is on disk; awaited before any other is written. */
  readonly fulfil: (checkpoint: UnderWay) => Promise<void> | void
  /** It will never be. */
  readonly deny: (reason: Error) => void
}

/** One that is on disk. */
export interface WrittenCheckpoint {
  /** Of the last entry in it. */
  readonly index: LogIndex
  /** Records that were written or taken away. */
  readonly changes: number
  /** From the moment that it is of until it was on disk and the log before it was cut. */
  readonly ms: number
}

export interface CheckpointerParts {
  readonly disk: NodeDisk
  /** Of entries applied between the beginnings of two checkpoints. */
  readonly intervalBytes: number
  readonly clock: Clock
}

export interface CheckpointerHandlers {
  /** Where the log is to begin, now that there is a checkpoint at `index`; undefined: where it does. */
  readonly logStart: (index: LogIndex) => LogStart | undefined
  /** The log on disk begins after this index now. */
  readonly onForgotten: (index: LogIndex) => void
  readonly onWritten: (checkpoint: WrittenCheckpoint) => void
  readonly onFailed: (error: unknown) => void
}

/**
 * Writes down what has changed in the machine while the machine goes on (design §6): a slice at a time, then all of it as
 * one atomic change of the disk. The cost is that of what changed, not of what exists. The log before it is forgotten
 * then, as far as nobody is expected to need it.
 */
export class Checkpointer {
  readonly #disk: NodeDisk
  readonly #intervalBytes: number
  readonly #clock: Clock
  readonly #handlers: CheckpointerHandlers
  /** Applied since the beginning of the last one that was due. */
  #bytes = 0
  #underWay: UnderWay | undefined
  /** To be fulfilled by the next checkpoint: the one under way is of a moment before they were made. */
  #wishes: Wish[] = []
  #membersRevision: number
  #membersTimer: Timer | undefined
  #writing = false
  #paused = false
  #settled: Promise<void> = Promise.resolve()
  #persistedIndex: LogIndex = 0
  #stopped = false

  constructor(machine: Machine, parts: CheckpointerParts, handlers: CheckpointerHandlers) {
    const { disk, intervalBytes, clock } = parts
    this.#disk = disk
    this.#intervalBytes = intervalBytes
    this.#clock = clock
    this.#handlers = handlers
    this.#membersRevision = machine.membersRevision
  }

  /** An entry has been applied to `machine`, which is that of `place`. */
  applied(entry: Entry, machine: Machine, place: () => Place): void {
    this.#bytes += entryBytes(entry)
    if (this.#isAboutMembers(entry, machine)) this.#wishSoon(place)
    if (this.#bytes < this.#intervalBytes || this.#underWay !== undefined || this.#stopped) return
    this.#bytes = 0
    this.#begin(place(), [])
  }

  /**
   * A checkpoint of `place()` at this moment or later, as a snapshot to be read and closed. Rejects if a peer's snapshot
   * comes in between, or the node stops.
   */
  backup(place: () => Place): Promise<Backup> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(brokenOff('this node is stopping'))
      this.#wish({
        place,
        fulfil: ({ at, nextToken }) =>
          this.#disk.records.openSnapshot().then((source) => resolve({ source, at, nextToken }), reject),
        deny: (reason) => reject(reason),
      })
    })
  }

  /** Before an orderly stop: the next start has less to apply. Resolves when it is on disk, or would take too long. */
  last(place: () => Place): Promise<void> {
    if (this.#stopped || (!this.#paused && this.#has(place()))) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#clock.after(LAST_MS_MAX, resolve)
      const end = (): void => {
        timer.cancel()
        resolve()
      }
      this.#wish({ place, fulfil: end, deny: end })
    })
  }

  /** This node's own log is durable up to here: a checkpoint never runs ahead of it. */
  persisted(index: LogIndex): void {
    this.#persistedIndex = index
    this.#writeIfReady()
  }

  /** Nothing is put into a draft or written until `resume`; resolves when what was being written is. */
  pause(): Promise<void> {
    this.#paused = true
    return this.#settled
  }

  /** With `restored`: a peer's checkpoint is in place of the newest, and another machine in place of this one. */
  resume(restored: LogStart | undefined): void {
    this.#paused = false
    if (restored !== undefined) {
      this.#denyAll('this node was given the snapshot of a peer')
      this.#underWay = undefined
      this.#bytes = 0
    }
    this.#writeIfReady()
    this.#beginIfWished()
  }

  /** Nothing new is begun; resolves when what was being written is. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#membersTimer?.cancel()
    this.#denyAll('this node is stopping')
    return this.#settled
  }

  #has({ start }: Place): boolean {
    return this.#disk.records.start()?.index === start.index
  }

  /** Who the members are, on which disks, and in which incarnation of the cluster is what a node that restarts needs first. */
  #isAboutMembers({ config }: Entry, { membersRevision }: Machine): boolean {
    const before = this.#membersRevision
    this.#membersRevision = membersRevision
    return config !== undefined || this.#membersRevision !== before
  }

  #wishSoon(place: () => Place): void {
    this.#membersTimer ??= this.#clock.after(MEMBERS_MS, () => {
      this.#membersTimer = undefined
      this.#wish({ place, fulfil: () => undefined, deny: () => undefined })
    })
  }

  #wish(wish: Wish): void {
    this.#wishes.push(wish)
    this.#beginIfWished()
  }

  #beginIfWished(): void {
    const [first] = this.#wishes
    if (first === undefined || this.#underWay !== undefined || this.#paused || this.#stopped) return
    const wishes = this.#wishes
    this.#wishes = []
    this.#begin(first.place(), wishes)
  }

  #begin({ machine, start }: Place, wishes: readonly Wish[]): void {
    const { at, claims } = machine
    const draft = this.#disk.records.begin(start)
    draft.put([encodeChange(machine.beginCheckpoint())])
    const { nextToken } = claims
    const beganMs = this.#clock.nowMs()
    this.#underWay = { machine, start, draft, changes: 1, wishes, at, nextToken, beganMs, isWhole: false }
    this.#sliceLater(this.#underWay)
  }

  #denyAll(reason: string): void {
    for (const { deny } of [...this.#wishes, ...(this.#underWay?.wishes ?? [])]) deny(brokenOff(reason))
    this.#wishes = []
  }

  #sliceLater(underWay: UnderWay): void {
    this.#clock.after(this.#restMs(underWay), () => {
      if (this.#stopped || this.#underWay !== underWay) return
      if (this.#paused) this.#sliceLater(underWay)
      else this.#slice(underWay)
    })
  }

  #restMs(underWay: UnderWay): number {
    const isLast = underWay.machine.ledger.untaken <= SLICE_RECORDS
    const isUrgent = isLast || this.#isBehind(underWay) || this.#isAwaited(underWay)
    return isUrgent ? REST_MS.least : REST_MS.most
  }

  /** The log is farther on its way to the next checkpoint than this one is, or more has changed again than fits into a slice. */
  #isBehind({ machine: { ledger }, changes }: UnderWay): boolean {
    const done = changes / (changes + ledger.untaken)
    return done < this.#bytes / (SHARE_OF_INTERVAL * this.#intervalBytes) || ledger.overtaken > SLICE_RECORDS
  }

  /** Somebody wants this one, or the one behind it. */
  #isAwaited({ wishes }: UnderWay): boolean {
    return wishes.length + this.#wishes.length > 0
  }

  #slice(underWay: UnderWay): void {
    const { machine, draft } = underWay
    const slice = machine.ledger.take(SLICE_RECORDS)
    draft.put(slice.map(encodeChange))
    underWay.changes += slice.length
    if (slice.length > 0) return this.#sliceLater(underWay)
    underWay.isWhole = true
    this.#writeIfReady()
  }

  #writeIfReady(): void {
    const underWay = this.#underWay
    if (underWay === undefined || !underWay.isWhole || this.#writing || this.#paused || this.#stopped) return
    if (this.#persistedIndex < underWay.start.index) return
    this.#writing = true
    this.#settled = this.#write(underWay).catch((error: unknown) => {
      if (!this.#stopped) this.#handlers.onFailed(error)
    })
  }

  async #write(underWay: UnderWay): Promise<void> {
    const { start, draft, changes, wishes, beganMs } = underWay
    await draft.write()
    await Promise.all(wishes.map(({ fulfil }) => fulfil(underWay)))
    await this.#forgetBehind(start.index)
    const ms = Math.round(this.#clock.nowMs() - beganMs)
    this.#handlers.onWritten({ index: start.index, changes, ms })
    this.#writing = false
    this.#underWay = undefined
    this.#beginIfWished()
  }

  async #forgetBehind(index: LogIndex): Promise<void> {
    const start = this.#stopped ? undefined : this.#handlers.logStart(index)
    if (start === undefined) return
    await this.#disk.log.compact(start)
    this.#handlers.onForgotten(start.index)
  }
}

function brokenOff(reason: string): Error {
  return new Error(`the backup broke off: ${reason}`)
}
