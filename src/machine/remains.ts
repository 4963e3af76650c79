/**
 * What stays on a name though nobody need stand in it, until a deadline: it rests, is suspended, or keeps the result of
 * work that is done once.
 */
import type { Agenda, Deadline } from './agenda.js'
import { remainsBytes } from './held-bytes.js'
import type { Token } from './language/command.js'
import type { Queue, Queues } from './queues.js'
import type { Ledger } from './records/ledger.js'
import type { Bookkeeping, RemainsRecord } from './records/records.js'

export interface Rest extends Bookkeeping {
  readonly kind: 'rest' | 'suspension'
  /** From the counter of claims. */
  readonly id: number
  readonly name: string
  /** Undefined: until somebody resumes it. */
  readonly until: Deadline | undefined
  /** For people; of a suspension. */
  readonly note: string
}

export interface Result extends Bookkeeping {
  readonly kind: 'result'
  readonly id: number
  readonly name: string
  readonly until: Deadline | undefined
  readonly token: Token
  readonly fingerprint: string
  readonly data: string
}

export type Remains = Rest | Result

export class AllRemains {
  readonly #agenda: Agenda
  readonly #ledger: Ledger
  readonly #queues: Queues
  readonly #byId = new Map<number, Remains>()
  #dataLength = 0
  #heldBytes = 0

  constructor(agenda: Agenda, ledger: Ledger, queues: Queues) {
    this.#agenda = agenda
    this.#ledger = ledger
    this.#queues = queues
  }

  get size(): number {
    return this.#byId.size
  }

  /** Characters of data of all results. */
  get dataLength(): number {
    return this.#dataLength
  }

  /** What they take of the heap: see `BYTES`. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  get(id: number): Remains | undefined {
    return this.#byId.get(id)
  }

  values(): IterableIterator<Remains> {
    return this.#byId.values()
  }

  /** In place of what the name has of this kind. */
  leave(record: RemainsRecord): Queue {
    const queue = this.#queues.open(record.name)
    const known = queue[record.kind]
    if (known !== undefined) this.#drop(known)
    this.#ledger.touch(this.#add(queue, record))
    return queue
  }

  /** As it was recorded. */
  restore(record: RemainsRecord): void {
    this.#add(this.#queues.open(record.name), record).isRecorded = true
  }

  remove(remains: Remains): Queue {
    const queue = this.#queues.get(remains.name)!
    this.#drop(remains)
    queue[remains.kind] = undefined
    this.#queues.closeIfEmpty(queue)
    return queue
  }

  #add(queue: Queue, record: RemainsRecord): Remains {
    const { kind, id, name, untilAt, note, token, fingerprint, data } = record
    const until = untilAt === undefined ? undefined : this.#agenda.add(kind, id, untilAt)
    const kept = { id, name, until, isRecorded: false, isGone: false, page: undefined }
    const remains: Remains =
      kind === 'result' ? { kind, ...kept, token, fingerprint, data } : { kind, ...kept, note }
    if (remains.kind === 'result') queue.result = remains
    else queue[remains.kind] = remains
    this.#byId.set(id, remains)
    this.#dataLength += data.length
    this.#heldBytes += remainsBytes(remains)
    return remains
  }

  #drop(remains: Remains): void {
    this.#ledger.remove(remains)
    if (remains.until !== undefined) this.#agenda.remove(remains.until)
    this.#byId.delete(remains.id)
    this.#heldBytes -= remainsBytes(remains)
    if (remains.kind === 'result') this.#dataLength -= remains.data.length
  }
}
