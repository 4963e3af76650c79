import { Packr } from 'msgpackr'
import { Machine } from '../machine/machine.js'
import type { Fields, RecordChange as MachineChange } from '../machine/records.js'
import type { RecordChange, StateRecord } from './ports.js'

const packr = new Packr({ useRecords: false, int64AsType: 'number' })

/** A record as stores and peers get it: its fields as msgpack. */
export function encodeChange({ key, fields }: MachineChange): RecordChange {
  return { key, value: fields === undefined ? undefined : packr.pack(fields) }
}

/** Gathers the records of a checkpoint, and makes the machine that left them. */
export class MachineRestorer {
  readonly #records: [key: string, fields: Fields][] = []

  readonly take = (records: readonly StateRecord[]): void => {
    for (const { key, value } of records) this.#records.push([key, packr.unpack(value) as Fields])
  }

  /** Throws a RangeError if this version does not understand the records. */
  finish(): Machine {
    return this.#records.length === 0 ? new Machine() : Machine.restore(this.#records)
  }
}
