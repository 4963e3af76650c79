import { Packr } from 'msgpackr'
import { Machine } from '../machine/machine.js'
import { type Fields, type RecordChange as MachineChange, RecordReader } from '../machine/records/records.js'
import { finish, type Steps } from '../machine/steps.js'
import type { RecordChange, StateRecord } from './ports.js'

const packr = new Packr({ useRecords: false, int64AsType: 'number' })

/** A record as stores and peers get it: its fields as msgpack. */
export function encodeChange({ key, fields }: MachineChange): RecordChange {
  return { key, value: fields === undefined ? undefined : packr.pack(fields) }
}

/** Gathers the records of a checkpoint, and makes the machine that left them. */
export class MachineRestorer {
  readonly #reader = new RecordReader()
  #isEmpty = true

  /** Throws a RangeError if this version does not understand a record. */
  readonly take = (records: readonly StateRecord[]): void => {
    for (const { key, value } of records) this.#reader.read(key, packr.unpack(value) as Fields)
    this.#isEmpty &&= records.length === 0
  }

  /** Throws a RangeError if this version does not understand the records. */
  finish(): Machine {
    return finish(this.inSteps())
  }

  /** As `finish`, for a node that goes on meanwhile. */
  *inSteps(): Steps<Machine> {
    return this.#isEmpty ? new Machine() : yield* Machine.restoring(this.#reader)
  }
}
