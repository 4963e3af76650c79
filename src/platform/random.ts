import { randomBytes } from 'node:crypto'

/** Uniform in [0, 1), with 53 bits from the operating system. */
export function random(): number {
  return bits53() / 2 ** 53
}

/** A secret that JSON and protobuf carry unharmed: a whole number from 1 to 2^53 − 1 (0 means "none" on the wire). */
export function randomKey(): number {
  return Math.max(1, bits53())
}

function bits53(): number {
  return Number(randomBytes(8).readBigUInt64BE() >> 11n)
}
