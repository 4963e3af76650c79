import { Packr } from 'msgpackr'
import { FrameError } from './frame-error.js'
import { checkShape } from './frame-shape.js'

const packr = new Packr({ useRecords: false, int64AsType: 'number' })

export function pack(fields: readonly unknown[]): Buffer {
  return packr.pack(fields)
}

/** Throws a `FrameError` if the bytes are not one msgpack array, before anything is made of them. */
export function unpack(bytes: Uint8Array): Fields {
  checkShape(bytes)
  return new Fields(packr.unpack(bytes))
}

/** Reads an array field by field; each reader throws a `FrameError` if the next field is of another type. */
export class Fields {
  readonly #values: readonly unknown[]
  #at = 0

  constructor(value: unknown) {
    if (!Array.isArray(value)) throw new FrameError('an array was expected')
    this.#values = value
  }

  get done(): boolean {
    return this.#at === this.#values.length
  }

  /** A whole number from 0 to 2^53 − 1. */
  number(): number {
    const value = this.#next()
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw this.#unexpected('a whole number')
    return value as number
  }

  flag(): boolean {
    const value = this.#next()
    if (typeof value !== 'boolean') throw this.#unexpected('a flag')
    return value
  }

  text(): string {
    const value = this.#next()
    if (typeof value !== 'string') throw this.#unexpected('text')
    return value
  }

  /** A copy: a view would keep the whole frame alive for as long as one entry of it is in the log. */
  bytes(): Uint8Array {
    const value = this.#next()
    if (!(value instanceof Uint8Array)) throw this.#unexpected('bytes')
    return new Uint8Array(value)
  }

  numbers(): number[] {
    const inner = this.fields()
    const numbers: number[] = []
    while (!inner.done) numbers.push(inner.number())
    return numbers
  }

  fields(): Fields {
    return new Fields(this.#next())
  }

  end(): void {
    if (!this.done) throw new FrameError(`${this.#values.length - this.#at} fields too many`)
  }

  #next(): unknown {
    if (this.done) throw new FrameError(`field ${this.#at} is missing`)
    return this.#values[this.#at++]
  }

  #unexpected(expected: string): FrameError {
    return new FrameError(`field ${this.#at - 1} should be ${expected}`)
  }
}
